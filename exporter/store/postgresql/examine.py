"""What the database must be and allow before an exporter can keep its state there."""

from exporter.common.secret import Secret
from exporter.model.errors import StoreError, StoreUnusable
from exporter.store.postgresql.connection import Connection, Execute
from exporter.store.postgresql.errors import grant, ident
from exporter.store.postgresql.lease import read_leader
from exporter.store.postgresql.schema import LEADER, VERSION
from exporter.store.postgresql.statements import unescape
from exporter.store.postgresql.url import PostgresUrl

_TIMEOUT = 5.0  # seconds
OLDEST = 13  # major version of the server; older ones get no more fixes
_SERVER = """SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'),
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit'),
    to_regnamespace($1) IS NOT NULL, has_database_privilege(current_database(), 'CREATE')"""
_SCHEMA = "SELECT has_schema_privilege($1, 'USAGE'), has_schema_privilege($1, 'CREATE')"
_TABLES = """SELECT bool_or(relname = 'leader'), bool_and(has_table_privilege(oid, 'SELECT')
    AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
    FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'"""
_PLACES = "SELECT target, source FROM {s}.contacts ORDER BY target, source"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('platform-events-exporter'), hashtext($1))"


async def examine(execute: Execute, url: PostgresUrl) -> bool:
    """Check the server and the rights of the user; return whether the row of the leader exists.

    Changes nothing. Raises StoreUnusable where a person must act, and StoreError for a read-only replica.
    """
    where = f"store {url.where}"
    major, version, read_only, synchronous, has_schema, may_create = (await execute(_SERVER, url.schema))[0]
    if major < OLDEST:
        raise StoreUnusable(f"{where}: PostgreSQL {version} is too old; use {OLDEST} or newer")
    if read_only:
        raise StoreError(
            f"{where}: is a read-only replica; name the primary, or add target_session_attrs=read-write to the URL"
        )
    if synchronous == "off":
        raise StoreUnusable(
            f"{where}: synchronous_commit is off, so a crash would forget what was acknowledged; "
            f"run ALTER ROLE {ident(url.user)} SET synchronous_commit = on"
        )
    if not has_schema:
        if not may_create:
            raise StoreUnusable(
                f"{where}: there is no schema {url.schema}, and the right to create it is missing; "
                f"run CREATE SCHEMA {ident(url.schema)} AUTHORIZATION {ident(url.user)}"
            )
        return False
    return await _examine_schema(execute, url)


async def _examine_schema(execute: Execute, url: PostgresUrl) -> bool:
    usage, create = (await execute(_SCHEMA, url.schema))[0]
    if not usage:
        raise StoreUnusable(f"store {url.where}: the schema {url.schema} may not be used; {grant(url)}")
    has_leader, may_write = (await execute(_TABLES, url.schema))[0]
    if has_leader and not may_write:
        raise StoreUnusable(f"store {url.where}: tables of {url.schema} may not be read and written; {grant(url)}")
    pending = not has_leader or (await read_leader(execute, url.schema)).version < VERSION
    if pending and not create:
        raise StoreUnusable(f"store {url.where}: no table may be created in the schema {url.schema}; {grant(url)}")
    return bool(has_leader)


def check_version(url: PostgresUrl, version: int) -> None:
    """Raise StoreUnusable for a schema of a newer exporter."""
    if version > VERSION:
        raise StoreUnusable(
            f"store {url.where}: the schema {url.schema} was written by a newer version (schema {version}, "
            f"this one knows {VERSION}); run the newer version, or name another schema in the URL"
        )


async def set_up(execute: Execute, url: PostgresUrl) -> None:
    """Create the schema and the row of the leader, unless another process did."""
    await execute(_LOCK, url.schema)
    if not (await execute("SELECT to_regnamespace($1) IS NOT NULL", url.schema))[0][0]:
        await execute(f"CREATE SCHEMA {url.schema}")
    await execute(LEADER.format(s=url.schema))
    await execute(f"INSERT INTO {url.schema}.leader DEFAULT VALUES ON CONFLICT DO NOTHING")


async def check_postgres(url: PostgresUrl, password: Secret | None) -> list[tuple[str, str]]:
    """Connect and check everything that ``run`` needs; return the sources of targets that the database knows.

    Changes nothing. Raises StoreError.
    """
    connection = Connection(url, password, _TIMEOUT)
    try:
        async with connection.transaction() as execute:
            if not await examine(execute, url):
                return []
            version = (await read_leader(execute, url.schema)).version
            check_version(url, version)
            found = await execute(_PLACES.format(s=url.schema)) if version else []
            return [(unescape(target), unescape(source)) for target, source in found]
    finally:
        await connection.close()
