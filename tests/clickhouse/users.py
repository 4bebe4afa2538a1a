"""An embedded ClickHouse whose one user has the grants of one of ours: ClickHouse itself refuses what they do not cover."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from credit_movements.embedded.services import clickhouse_dsn, clickhouse_service
from credit_movements.setup.clickhouse_users import grants
from credit_movements.supervision.processes import running
from tests.clickhouse.databases import in_database
from tests.conftest import free_port

DATABASE = "billing"
_PASSWORD = "a-password-for-tests"
_CONFIG = "<clickhouse><users_config>{users}</users_config></clickhouse>"
_USERS = """
<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users>
        <default>
            <password></password>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <grants>{grants}</grants>
        </default>
    </users>
</clickhouse>
"""


@contextmanager
def working_as(user: str, data: Path, log_dir: Path) -> Iterator[str]:
    """The DSN of a ClickHouse on the folder `data`, where everybody may do what `user` may."""
    end = f" TO {user}"
    granted = [each.removesuffix(end) for each in grants(DATABASE, of_cluster=False) if each.endswith(end)]
    assert granted
    config, users = (log_dir / f"{user}-{name}.xml" for name in ("config", "users"))
    users.write_text(
        _USERS.format(grants="".join(f"<query>{escape(each)}</query>" for each in granted)), encoding="utf-8"
    )
    config.write_text(_CONFIG.format(users=users), encoding="utf-8")
    port = free_port()
    with running(clickhouse_service(data, port, _PASSWORD, config), log_dir):
        yield in_database(clickhouse_dsn(port, _PASSWORD), DATABASE)
