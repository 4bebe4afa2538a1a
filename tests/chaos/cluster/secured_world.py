"""A world on a secured Kafka: each worker and each publisher is a user that may do what `setup --acls` has given it.

The test itself is the admin: it reads what became of everything.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from credit_movements import clickhouse
from credit_movements.settings import Settings
from schemas.topics import ACCOUNT_PLANS, RATES, Topic
from tests.chaos import load
from tests.chaos.world import World
from tests.environment import environment_of
from tests.integration.stack import Stack
from tests.kafka.secured import ADMIN, SecuredKafka

_COMMAND_SECONDS = 120


class SecuredWorld(World):
    """As `World`, but for who does what."""

    def __init__(self, kafka: SecuredKafka, settings: Settings, seed: int, log_dir: Path) -> None:
        self._kafka = kafka
        self._stacks: dict[str, Stack] = {}
        # `settings_of` gives the others theirs.
        super().__init__(settings.model_copy(update=_fields(kafka, ADMIN)), seed, log_dir)

    def set_up(self) -> None:
        self._make_database()
        self.run(ADMIN, "setup", "--acls")
        self.run("setup", "setup")

    def publish_prices(self) -> None:
        self._publish_file(RATES, load.RATES)
        self._publish_file(ACCOUNT_PLANS, load.PLANS)

    def settings_of(self, user: str) -> Settings:
        return self.settings.model_copy(update=_fields(self._kafka, user))

    def stack_of(self, user: str) -> Stack:
        if user not in self._stacks:
            self._stacks[user] = Stack(self.settings_of(user))
        return self._stacks[user]

    def close(self) -> None:
        super().close()
        for stack in self._stacks.values():
            stack.__exit__()

    def run(self, user: str, *command: str) -> str:
        """A command as this user runs it; it must succeed."""
        environment = {name: text for name, text in _environment(self.settings_of(user)).items() if text is not None}
        done = subprocess.run(
            (sys.executable, "-m", "credit_movements", *command),
            env=environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{user}: {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def _make_database(self) -> None:
        server, database = str(self.settings.clickhouse_dsn.get_secret_value()).rsplit("/", 1)
        client = clickhouse.client(self.settings.model_copy(update={"clickhouse_dsn": SecretStr(f"{server}/default")}))
        client.command(f"CREATE DATABASE {database}")
        client.close()

    def _publish_file(self, topic: Topic, records: list[dict[str, object]]) -> None:
        file = self.log_dir / f"{topic.name}.jsonl"
        file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        self.run("commands", "publish", topic.name, str(file))


def _fields(kafka: SecuredKafka, user: str) -> dict[str, object]:
    given = kafka.settings(user)
    return {**given, "kafka_sasl_password": SecretStr(given["kafka_sasl_password"])}


def _environment(settings: Settings) -> dict[str, str | None]:
    return {**os.environ, **environment_of(settings)}
