"""docker-compose.yml as the tests read it, and the secrets that deploy/make-secrets.sh makes for it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
# Of ours, those that run a command of ours: the examples' mailers do not.
COMMANDS = [
    name for name in OURS if "entrypoint" not in SERVICES[name] or "credit-movements" in SERVICES[name]["entrypoint"]
]
ONCE = ["bucket", "setup"]
WORKERS = ["rater", "sink", "watch", "exporter"]
AUDIT, MAILERS = "audit", ["mailer", "alert-mailer"]
SERVERS = [name for name in SERVICES if name not in [*ONCE, *WORKERS, AUDIT, *MAILERS]]
SECRETS = Path("/run/secrets")
PROBE = "/opt/credit-movements/probe.py"
VARIABLE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")


def filled_in(value: str) -> str:
    """As Compose hands it to the container, where no variable is set."""
    return VARIABLE.sub(lambda found: found["default"], value).replace("$$", "$")


def environment(service: str) -> dict[str, str]:
    return {name: filled_in(value) for name, value in SERVICES[service].get("environment", {}).items()}


def published(service: str) -> dict[str, str]:
    """Port in the container → port of the machine, of a service; the ports are on 127.0.0.1."""
    return {inner: outer for _, outer, inner in (port.split(":") for port in SERVICES[service].get("ports", []))}


def make_secrets(folder: Path) -> str:
    """Run deploy/make-secrets.sh; what it said."""
    command = [ROOT / "deploy" / "make-secrets.sh", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def seen_by(service: str, secrets: Path) -> dict[str, str]:
    """The environment of a service where its secrets lie in that folder, with the key that its entrypoint reads."""
    given = {name: value.replace(str(SECRETS), str(secrets)) for name, value in environment(service).items()}
    if "storage-secret-key" in SERVICES[service].get("secrets", []):
        given["AWS_SECRET_ACCESS_KEY"] = (secrets / "storage-secret-key").read_text()
    return given
