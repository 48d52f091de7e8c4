"""Debian's PostgreSQL and pgbouncer for tests: one server a process, a schema of its own for each test.

PostgreSQL refuses to run as root: then it runs as Debian's user ``postgres``.
"""

import atexit
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.heavy import missing
from tests.support.processes import PATIENCE, free_port, until

PASSWORD = "slonik"
_NUMBERS = itertools.count(1)
_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=40", "shared_buffers=16MB", "log_min_messages=fatal")


class Postgres:
    """A server on a port of its own, whose data leave with the process; only a ``durable`` one waits for its disk."""

    def __init__(self, *, durable: bool = False) -> None:
        self._options = ("max_connections=40",) if durable else _OPTIONS
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.port = free_port()
        self._user = _run_as()
        if self._user:
            shutil.chown(self.folder, self._user)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        login = (f"--pwfile={secret}", "--auth-host=scram-sha-256", "--auth-local=trust", "--username=admin")
        self._run("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *login, "-D", str(self.folder / "data"))
        self.start()
        self.sql(f"CREATE ROLE events LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE events OWNER events")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [part for option in self._options for part in ("-c", option)]
        place = ("-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as(), binary("postgres"), *place, *options], stdout=log, stderr=log
            )
        until(self._answers, "PostgreSQL answers")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: fast, or at once with SIGQUIT, as a crash would."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, *statements: str, database: str = "postgres") -> str:
        """Execute statements as the administrator; return what they print, unaligned."""
        commands = [part for statement in statements for part in ("-c", statement)]
        login = ("-h", str(self.folder), "-p", str(self.port), "-U", "admin", "-d", database)
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *login, *commands],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def password(self) -> str:
        """The password of every user of the tests."""
        return PASSWORD

    def url(self, schema: str = "", port: int = 0, user: str = "events", password: str = PASSWORD) -> str:
        """Return a URL of the database of the tests; a new schema unless one is named."""
        login = f"{user}:{password}" if password else user
        schema = schema or f"test_{next(_NUMBERS)}"
        return f"postgresql://{login}@127.0.0.1:{port or self.port}/events?schema={schema}&sslmode=disable"

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        place = ("-h", str(self.folder), "-p", str(self.port))
        return subprocess.run([binary("pg_isready"), "-q", *place], check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([*self._as(), binary(program), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _as(self) -> Sequence[str]:
        return ("setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups") if self._user else ()


class Pgbouncer:
    """A pooler in transaction mode before a server."""

    def __init__(self, server: Postgres) -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            missing("pgbouncer is not installed; on Debian: apt-get install pgbouncer, or run make test as root")
        self.port = free_port()
        folder = Path(tempfile.mkdtemp(prefix="pgb"))
        (folder / "users").write_text(f'"events" "{PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\nevents = host=127.0.0.1 port={server.port} dbname=events\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = plain\n"
            f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 4\n"
            "server_login_retry = 1\n"
        )
        user = _run_as()
        if user:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, user)
        with (folder / "log").open("wb") as log:
            command = [*server._as(), program, str(folder / "pgbouncer.ini")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._folder = folder
        until(lambda: b"process up" in (folder / "log").read_bytes(), "pgbouncer is up")

    def close(self) -> None:
        """Stop the pooler."""
        self._process.kill()
        self._process.wait(PATIENCE)
        shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def postgres() -> Postgres:
    """Return the server of this process; skip the test, or fail in CI, where PostgreSQL is not installed."""
    binary("initdb")
    server = Postgres()
    atexit.register(server.close)
    return server


@functools.cache
def pgbouncer() -> Pgbouncer:
    """Return the pooler of this process."""
    pooler = Pgbouncer(postgres())
    atexit.register(pooler.close)
    return pooler


def installed() -> bool:
    """Return whether PostgreSQL is installed."""
    return _find("initdb") is not None


def _find(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


def binary(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL here."""
    program = _find(name)
    if program is None:
        missing(f"{name} is not installed; on Debian: apt-get install postgresql, or run make test as root")
    return program


def _run_as() -> str:
    """Return the user that a server runs as; "" for this one."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        missing("there is no user postgres; on Debian: apt-get install postgresql, or run make test as another user")
