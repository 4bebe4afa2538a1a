"""The tables of `setup --cluster` as far as chDB can have them: a cluster of one shard, which is the process itself.

chDB has no distributed DDL, so the statements lose their ON CLUSTER. Its Keeper, in memory, is enough to make replicated tables
and not to write into them: what is written to is a ReplacingMergeTree beneath the table over all shards. More than one shard,
and replicas, cannot be had without servers.
"""

from contextlib import closing
from pathlib import Path

import clickhouse_connect
from clickhouse_migrations.migrator import Migrator

from sinks.write.migrations import MIGRATIONS_OF_CLUSTER

CLUSTER = "telephony"
_CONFIG = f"""
<clickhouse>
    <tcp_port>9000</tcp_port>
    <macros><shard>01</shard><replica>first</replica></macros>
    <zookeeper><implementation>testkeeper</implementation></zookeeper>
    <remote_servers>
        <{CLUSTER}>
            <shard>
                <internal_replication>true</internal_replication>
                <replica><host>127.0.0.1</host><port>9000</port></replica>
            </shard>
        </{CLUSTER}>
    </remote_servers>
    <storage_configuration><disks><backups><type>local</type><path>{{folder}}/</path></backups></disks></storage_configuration>
    <backups><allowed_disk>backups</allowed_disk></backups>
</clickhouse>
"""


def configured(folder: Path) -> Path:
    """A configuration file with the cluster (chDB takes itself for its only server) and a disk `backups`."""
    backups, file = folder / "backups", folder / "cluster.xml"
    backups.mkdir()
    file.write_text(_CONFIG.format(folder=backups), encoding="utf-8")
    return file


def statements() -> list[str]:
    """What the migrations of a cluster say to each of its servers."""
    texts = (each.read_text(encoding="utf-8") for each in sorted(MIGRATIONS_OF_CLUSTER.glob("*.sql")))
    return [
        statement.replace("${CLUSTER}", CLUSTER).replace(f" ON CLUSTER '{CLUSTER}'", "")
        for text in texts
        for statement in Migrator.script_to_statements(text, multi_statement=True)
    ]


def make_tables(dsn: str) -> None:
    """The tables of a cluster, those of the shard not replicated."""
    with closing(clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)) as client:
        for each in statements():
            client.command(without_replicas(each))


def without_replicas(statement: str) -> str:
    engine, _, rest = statement.partition("ReplicatedReplacingMergeTree(")
    if not rest:
        return statement
    return f"{engine}ReplacingMergeTree{rest.partition(')')[2]}".replace(
        "SETTINGS replicated_deduplication_window = 0\n", ""
    )
