"""Settings as the variables of a process."""

import json
import os

from pydantic import Secret, SecretStr

from credit_movements.settings import Settings, variable


def environment_of(settings: Settings) -> dict[str, str | None]:
    """The variables that give a process these settings and no others; None: to be left out."""
    variables: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CREDIT_")}
    for field in settings.model_fields_set:
        given = getattr(settings, field)
        value = given.get_secret_value() if isinstance(given, Secret | SecretStr) else given
        variables[variable(field)] = json.dumps(value) if isinstance(value, dict) else str(value)
    return variables
