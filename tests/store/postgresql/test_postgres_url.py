"""The URL of a database: what it names, and what a person reads about a wrong one."""

import pytest

from exporter.model.errors import ConfigError
from exporter.store import parse_store
from exporter.store.postgresql.url import PostgresUrl

WRITE = "write postgresql://USER@HOST:5432/DATABASE"
OPTIONS = "schema, host, port, sslmode, sslrootcert, sslcert, sslkey, target_session_attrs"


def test_a_url_names_hosts_a_database_a_user_and_a_schema() -> None:
    url = parse_store("postgresql://ev%40nts:p%2Fw@db1,db2:6432,[::1]:7432/state?schema=own&sslmode=verify-full")
    hosts = (("db1", 5432), ("db2", 6432), ("[::1]", 7432))
    assert url == PostgresUrl(hosts, "state", "ev@nts", "p/w", "own", (("sslmode", "verify-full"),))
    assert url.where == "db1:5432,db2:6432,[::1]:7432/state"
    assert url.dsn == "postgresql://ev%40nts@db1:5432,db2:6432,[::1]:7432/state?sslmode=verify-full"


def test_the_folder_of_a_socket_may_stand_in_place_of_hosts() -> None:
    url = parse_store("postgres://events@/state?host=/run/postgresql&port=5433")
    assert url == PostgresUrl((("/run/postgresql", 5433),), "state", "events", None, "platform_events", ())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://db/state", f"the database URL names no user; {WRITE}"),
        ("postgresql://:s3cr3t@db/state", f"the database URL names no user; {WRITE}"),
        ("postgresql://me:s3cr3t@db", f"the database URL names no database; {WRITE}"),
        ("postgresql://me:s3cr3t@db/state/x", f"the database URL names no database; {WRITE}"),
        ("postgresql://me:s3cr3t@/state", f"the database URL names no host and port; {WRITE}"),
        ("postgresql://me:s3cr3t@db:port/state", f"the database URL names no host and port; {WRITE}"),
        ("postgresql://me:s3cr3t@db:0/state", f"the database URL names no host and port; {WRITE}"),
        ("postgresql://me:s3cr3t@db:65536/state", f"the database URL names no host and port; {WRITE}"),
        ("postgresql://me@db/x?host=/run", "the database URL names a host twice; leave the options host and port away"),
        ("postgresql://me@/x?host=db", "host is no folder of a socket; write ?host=/var/run/postgresql"),
        ("postgresql://me@db/x?schema=a;b", "schema is no plain name; write lower-case letters, digits and _"),
        ("postgresql://me@db/x?password=s3cr3t", f"unknown option password (known: {OPTIONS})"),
        ("postgresql://me@db/x?sslmode=on", "sslmode takes disable, allow, prefer, require, verify-ca, verify-full"),
        ("postgresql://me@db/x?target_session_attrs=standby", "target_session_attrs takes any, read-write, primary"),
        ("postgresql://me@db/x?sslcert=", "sslcert takes a value"),
    ],
)
def test_a_wrong_url_is_answered_with_the_cure_and_without_its_secret(url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_store(url)
    assert str(caught.value) == f"store: {problem}"
