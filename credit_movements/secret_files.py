"""Secrets from files: of a setting NAME that is a secret the variable NAME_FILE may name the file that holds it.

Docker and Kubernetes hand secrets over as files. A variable of the environment is seen by whoever may look at the process.
"""

import os
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import Secret, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource, SettingsError

SUFFIX: Final = "_FILE"


class SecretFiles(PydanticBaseSettingsSource):
    """What the files hold, one newline at the end left out. A field that code has given is not looked for.

    Raises pydantic_settings' SettingsError: one line that names the variable.
    """

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            if is_secret(field) and name not in self.current_state:
                value, _, _ = self.get_field_value(field, name)
                if value is not None:
                    found[name] = value
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        file = os.environ.get(f"{variable}{SUFFIX}")
        if not file:
            return None, field_name, False
        if os.environ.get(variable):
            raise SettingsError(f"{variable}{SUFFIX}: {variable} is set too; leave one of the two out")
        return _text_of(f"{variable}{SUFFIX}", Path(file)), field_name, False


def is_secret(field: FieldInfo) -> bool:
    """Whether the field's value must never be shown."""
    kinds = get_args(field.annotation) if get_origin(field.annotation) in {Union, UnionType} else (field.annotation,)
    return any(kind is SecretStr or get_origin(kind) is Secret for kind in kinds)


def _text_of(variable: str, file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{variable}: {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {file}: not UTF-8 text") from None
    if not (text := text.removesuffix("\n").removesuffix("\r")):
        raise SettingsError(f"{variable}: {file}: is empty; it must hold the value of {variable.removesuffix(SUFFIX)}")
    return text
