"""A database that refuses, is the wrong one, or goes away: one line with the cure, and no commit lost or made twice."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.common.secret import Secret
from exporter.model.errors import LeaseLost, StoreError
from exporter.model.events import Event
from exporter.model.metrics import Changes, Series
from exporter.model.state import Commit, Progress, Watch
from exporter.model.telemetry import SelfEvent, StoreState
from exporter.store import RetryingStore, leadership, parse_store
from exporter.store.postgresql.examine import check_postgres
from exporter.store.postgresql.leadership import Leadership, Waiting
from exporter.store.postgresql.store import PostgresStore
from exporter.store.postgresql.url import PostgresUrl
from tests.support.clocks import ManualClock
from tests.support.postgres_server import Pgbouncer, Postgres, pgbouncer, postgres
from tests.support.tcp_gate import TcpGate

WATCH = Watch("t", "s", "r")
EVENTS: Series = ("platform_events_total", ("t", "s", "warning", "other"))
LEASE = 2.0


def page(number: int) -> Commit:
    """A commit of one new event."""
    event = Event(key=number.to_bytes(16, "big"), resource="r", at=1)
    return Commit(WATCH, events=[event], changes=Changes({EVENTS: 1.0}), progress=Progress(number))


def place(url: str) -> PostgresUrl:
    """Return the place that a URL names."""
    parsed = parse_store(url)
    assert isinstance(parsed, PostgresUrl)
    return parsed


def candidate(url: str, name: str = "a", lease: float = LEASE) -> Leadership:
    return leadership(place(url), None, name, lease)


async def led(one: Leadership) -> PostgresStore:
    """Return the store of the term that begins next; one that cannot lead is closed."""
    try:
        async with asyncio.timeout(30):
            return (await one.lead(lambda waiting: None)).store
    except BaseException:
        await one.close()
        raise


@asynccontextmanager
async def leading(url: str, lease: float = LEASE) -> AsyncIterator[PostgresStore]:
    one = candidate(url, lease=lease)
    store = await led(one)
    try:
        yield store
    finally:
        await store.close()
        await one.close()


async def total(store: PostgresStore) -> float:
    return (await store.restore()).changes.counts.get(EVENTS, 0.0)


async def problem_of(work: Awaitable[object]) -> str:
    with pytest.raises(StoreError) as caught:
        await work
    assert "\n" not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


def roles() -> Postgres:
    """The server, with users that lack something."""
    server = postgres()
    if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'guest'"):
        server.sql(
            f"CREATE ROLE guest LOGIN PASSWORD '{server.password}'",
            f"CREATE ROLE hasty LOGIN PASSWORD '{server.password}'",
            "ALTER ROLE hasty SET synchronous_commit = off",
            "GRANT CREATE ON DATABASE events TO hasty",
        )
    return server


# --- what only a person can mend


async def test_a_wrong_password_says_where_it_is_kept(tmp_path: Path) -> None:
    server = postgres()
    (tmp_path / "password").write_text("wrong\n")
    where = f"127.0.0.1:{server.port}/events"
    secret = Secret(path=tmp_path / "password")
    assert await problem_of(check_postgres(place(server.url()), secret)) == (
        f"StoreUnusable: store {where}: the login of events was refused; check the user, and the password in "
        'store_password_file (password authentication failed for user "events")'
    )


async def test_a_password_file_is_read_again_at_the_next_connection(tmp_path: Path) -> None:
    server = postgres()
    path = tmp_path / "password"
    path.write_text("wrong\n")
    secret = Secret(path=path)
    await problem_of(check_postgres(place(server.url(password="")), secret))
    path.write_text(f"{server.password}\n")
    await check_postgres(place(server.url(password="")), secret)


async def test_a_database_that_does_not_exist_says_how_to_create_it() -> None:
    server = postgres()
    url = server.url().replace("/events?", "/nowhere?")
    assert await problem_of(check_postgres(place(url), None)) == (
        f"StoreUnusable: store 127.0.0.1:{server.port}/nowhere: there is no such database; "
        'run CREATE DATABASE "nowhere" OWNER "events"'
    )


async def test_a_right_that_is_missing_comes_with_its_grant() -> None:
    server = roles()
    url, where = server.url("rights", user="guest"), f"store 127.0.0.1:{server.port}/events"
    assert await problem_of(check_postgres(place(url), None)) == (
        f"StoreUnusable: {where}: there is no schema rights, and the right to create it is missing; "
        'run CREATE SCHEMA "rights" AUTHORIZATION "guest"'
    )
    grant = (
        'run GRANT USAGE, CREATE ON SCHEMA "rights" TO "guest"; '
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "rights" TO "guest"'
    )
    await _opened_once(server.url("rights"))
    assert await problem_of(check_postgres(place(url), None)) == (
        f"StoreUnusable: {where}: the schema rights may not be used; {grant}"
    )
    server.sql("GRANT USAGE ON SCHEMA rights TO guest", database="events")
    assert await problem_of(check_postgres(place(url), None)) == (
        f"StoreUnusable: {where}: tables of rights may not be read and written; {grant}"
    )
    for statement in grant.removeprefix("run ").split("; "):
        server.sql(statement, database="events")
    await check_postgres(place(url), None)
    await _opened_once(url)


async def _opened_once(url: str) -> None:
    async with leading(url):
        pass


async def test_asynchronous_commits_are_refused() -> None:
    server = roles()
    url = server.url(user="hasty")
    assert await problem_of(check_postgres(place(url), None)) == (
        f"StoreUnusable: store 127.0.0.1:{server.port}/events: synchronous_commit is off, so a crash would forget what "
        'was acknowledged; run ALTER ROLE "hasty" SET synchronous_commit = on'
    )


async def test_a_schema_of_a_newer_version_is_refused_at_a_start_and_waited_for_later() -> None:
    server = postgres()
    url = server.url("newer")
    words = (
        f"store 127.0.0.1:{server.port}/events: the schema newer was written by a newer version (schema 99, "
        "this one knows 2); run the newer version, or name another schema in the URL"
    )

    waited: list[Waiting] = []
    async with leading(url, 60.0):
        server.sql("UPDATE newer.leader SET version = 99", database="events")
        rolled_back = candidate(url, "b")
        waiting = asyncio.create_task(rolled_back.lead(waited.append))
        while not waited:
            await asyncio.sleep(0.05)
    while len(waited) < 2:
        await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await rolled_back.close()
    assert waited == [Waiting("a", 1, words), Waiting(problem=words)]
    assert await problem_of(check_postgres(place(url), None)) == f"StoreUnusable: {words}"
    assert await problem_of(led(candidate(url))) == f"StoreUnusable: {words}"


async def test_a_read_only_replica_is_no_place_for_a_state() -> None:
    server = postgres()
    server.sql("ALTER DATABASE events SET default_transaction_read_only = on")
    try:
        assert await problem_of(check_postgres(place(server.url()), None)) == (
            f"StoreError: store 127.0.0.1:{server.port}/events: is a read-only replica; name the primary, or add "
            "target_session_attrs=read-write to the URL"
        )
    finally:
        server.sql("ALTER DATABASE events RESET default_transaction_read_only")


# --- what passes


async def test_a_database_that_is_away_at_the_start_is_waited_for() -> None:
    server = Postgres()
    url = server.url()
    server.stop()
    waited: list[Waiting] = []

    try:
        one = candidate(url, lease=20.0)  # a busy machine may need long to be refused
        leading = asyncio.create_task(one.lead(waited.append))
        while not waited:
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.start)
        await (await leading).store.close()
        await one.close()
    finally:
        server.close()
    where = f"store 127.0.0.1:{server.port}/events"
    assert waited[0] == Waiting(
        problem=f"{where}: the database cannot be reached (connection refused); check it and the way to it"
    )


@pytest.mark.parametrize("pooled", [False, True], ids=["directly", "through pgbouncer"])
async def test_commits_survive_hard_restarts_of_the_database(pooled: bool) -> None:
    """Both outcomes of a commit that broke off are found: made, or not made and sent again."""
    server = Postgres()
    pooler = Pgbouncer(server) if pooled else None

    try:
        async with leading(server.url(port=pooler.port if pooler else 0), 20.0) as store:
            keeping = asyncio.create_task(store.keep())
            made = refused = 0
            restarts = asyncio.create_task(asyncio.to_thread(_restart, server, 3))
            while not restarts.done():
                try:
                    await store.commit([page(made)])
                    made += 1
                except LeaseLost:
                    raise
                except StoreError:
                    refused += 1
                    await asyncio.sleep(0.05)
            assert refused or pooled  # a pooler may let a commit wait until the database is back
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            known = await store.grown(
                WATCH, [Event(key=n.to_bytes(16, "big"), resource="r", at=1) for n in range(made)]
            )
            assert known == [0] * made
            assert (await _total_once_it_answers(store), store.term) == (float(made), 1)
    finally:
        if pooler is not None:
            pooler.close()
        server.close()


async def _total_once_it_answers(store: PostgresStore) -> float:
    while True:
        try:
            return await total(store)
        except LeaseLost:
            raise
        except StoreError:
            await asyncio.sleep(0.1)


def _restart(server: Postgres, times: int) -> None:
    for _ in range(times):
        server.stop(signal.SIGQUIT)
        server.start()


async def test_a_commit_whose_answer_was_lost_is_made_once() -> None:
    """The connection is cut after COMMIT was passed on: the row of the lease says that it was made."""

    async with TcpGate(postgres().port) as gate, leading(postgres().url(port=gate.port), 20.0) as store:
        for number in range(20):
            gate.cut_after(b"COMMIT\0")
            await store.commit([page(number)])
        assert (await total(store), gate.cuts, store.term) == (20.0, 20, 1)


async def test_a_commit_that_did_not_arrive_is_found_not_made() -> None:
    async with TcpGate(postgres().port) as gate, leading(postgres().url(port=gate.port), 20.0) as store:
        for number in range(5):
            gate.cut_before(b"COMMIT\0")
            with pytest.raises(StoreError, match=r"the database"):
                await store.commit([page(number)])
            await store.commit([page(number)])
        assert await total(store) == 5.0


STRANGERS = {
    b"HTTP/1.1 400 Bad Request\r\n\r\n": "what answers there is no PostgreSQL; check host and port",
    b"NE\0\0\0\x1bSFATAL\0C99999\0M\x1b[1mno\0\0": "the database refused it ([1mno)",
}


@pytest.mark.parametrize("answer", STRANGERS)
async def test_a_stranger_at_the_port_of_the_database_is_an_outage_in_printable_words(answer: bytes) -> None:
    """A load balancer may answer for a database that is away, which is no reason to end a process."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in (answer[:1], answer[1:]) if answer[:1] == b"N" else (answer,):
            await reader.read(1000)
            writer.write(part)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
        with pytest.raises(StoreError) as caught:
            await check_postgres(place(f"postgresql://u:p@{where}"), None)
    assert type(caught.value) is StoreError
    assert str(caught.value) == f"store {where}: {STRANGERS[answer]}"


NO_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "an error that nobody asked for": lambda said: b"E\0\0\0\x10SFATAL\0C08000\0\0" + said,
    "a statement is ready twice": lambda said: said + b"Z\0\0\0\x05I",
    "a message of no kind": lambda said: b"?\0\0\0\x04" + said,
    "a length of nothing": lambda said: said[:1] + bytes(4) + said[5:],
    "a length beyond the end": lambda said: said[:1] + b"\x7f\xff\xff\xff" + said[5:],
    "a row without its fields": lambda said: b"D\0\0\0\x06\0\x63" + said,
    "fields of no text": lambda said: b"T\0\0\0\x0a\0\x01\xff\xfe\xfd" + said,
    "half a message": lambda said: said[: len(said) // 2],
    "the words of another protocol": lambda said: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "noise": lambda said: bytes(255 - byte for byte in said),
}


def only_once(change: Callable[[bytes], bytes], before: int) -> Callable[[bytes], bytes]:
    """Change one answer, after so many that stay as they are."""
    number = itertools.count()
    return lambda said: change(said) if next(number) == before else said


@pytest.mark.parametrize("change", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_answers_that_are_none_of_postgresql_are_an_outage(change: Callable[[bytes], bytes]) -> None:
    """Whichever answer of a commit it is, the commit is made or refused, and the next one finds a connection again."""
    asyncio.get_running_loop().set_exception_handler(None)  # the driver raises in a callback; a log line says so
    async with TcpGate(postgres().port) as gate, leading(postgres().url(port=gate.port), LEASE) as store:
        made = 0
        for before in (0, 2, 4):
            gate.change = only_once(change, before)
            with contextlib.suppress(StoreError):
                await store.commit([page(made)])
                made += 1
            gate.change = bytes
            await store.commit([page(made)])
            made += 1
        assert (await total(store), store.term) == (float(made), 1)


async def test_silence_of_the_database_ends_the_term_within_the_lease() -> None:
    """The event loop stays responsive meanwhile, and the next term begins by itself when the way is open again."""

    loop = asyncio.get_running_loop()
    async with TcpGate(postgres().port) as gate:
        one = candidate(postgres().url(port=gate.port))
        store = await led(one)
        await store.commit([page(1)])
        gate.silent = True
        began, slowest, last = loop.time(), 0.0, loop.time()
        keeping = asyncio.create_task(store.keep())
        while not keeping.done() and loop.time() - began < 10 * LEASE:
            await asyncio.sleep(0.01)
            slowest, last = max(slowest, loop.time() - last), loop.time()
        seconds, valid = loop.time() - began, store.valid()
        await store.close()
        gate.silent = False
        again = await led(one)
        count = await total(again)
        await again.close()
        await one.close()
    assert str(keeping.exception()).startswith(f"the database did not answer for {LEASE:g} s (store 127.0.0.1:")
    assert slowest < 0.5
    assert seconds < LEASE + 1.0
    assert (valid, count) == (False, 1.0)


# --- two processes


async def test_of_two_processes_one_leads_and_the_other_follows_at_once_when_it_leaves() -> None:
    url = postgres().url()

    waited: list[Waiting] = []
    second = candidate(url, "b")
    async with leading(url) as first:
        waiting = asyncio.create_task(second.lead(waited.append))
        while not waited:
            await asyncio.sleep(0.01)
        await first.commit([page(1)])
        assert not waiting.done()
    async with asyncio.timeout(LEASE):
        takeover = await waiting
    count = await total(takeover.store)
    await takeover.store.close()
    await second.close()
    assert (waited, takeover.reason, count) == ([Waiting("a", 1)], "a has released its lease", 1.0)


@pytest.mark.parametrize("pooled", [False, True], ids=["directly", "through pgbouncer"])
async def test_a_leader_that_stood_still_writes_nothing_more(pooled: bool) -> None:
    """Its renewals stop; the other takes over after the lease; its next commit is refused and changes nothing."""
    url = postgres().url(port=pgbouncer().port if pooled else 0)

    words = "term 2 is led by b; what was not on record is read again"
    first, second = candidate(url), candidate(url, "b")
    stale = await led(first)
    await stale.commit([page(1)])
    await stale.commit([page(2)])
    new = await led(second)
    stale._term._renewed += 100.0  # a clock that stood still as well: only the database can refuse it
    with pytest.raises(LeaseLost) as refused:
        await stale.commit([page(3)])
    with pytest.raises(LeaseLost) as ended:
        await stale.keep()
    await new.commit([page(4)])
    count = await total(new)
    for store in (stale, new):
        await store.close()
    for one in (first, second):
        await one.close()
    assert (str(refused.value), str(ended.value), count) == (words, words, 3.0)


@pytest.mark.parametrize("where", ["between", "within"])
async def test_a_leader_that_is_stopped_in_a_transaction_hardly_delays_the_next(tmp_path: Path, where: str) -> None:
    """Between two statements the database ends its transaction after four seconds, also where a pooler stands between.

    Within a statement no limit of the database holds: who leads next ends the session.
    """
    urls = {"directly": postgres().url(), "pooled": postgres().url(port=pgbouncer().port)}
    command = (sys.executable, "-m", "tests.support.stopped_leader")
    root = str(Path(__file__).parents[3])

    async def story(name: str, url: str) -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        environment = {**os.environ, "PYTHONPATH": root}
        child = await asyncio.create_subprocess_exec(
            *command, url, str(LEASE), where, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        try:
            assert await child.stdout.readline() == b"stops\n"
            began, second = loop.time(), candidate(url, name)
            new = await led(second)
            seconds = loop.time() - began
            child.send_signal(signal.SIGCONT)
            ended = (await child.stdout.readline()).decode()
            await new.commit([page(1)])
            await new.close()
            await second.close()
            return seconds, ended
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have ended
                child.kill()
            await child.wait()

    for seconds, ended in await asyncio.gather(*(story(name, url) for name, url in urls.items())):
        assert seconds <= max(LEASE, 4.0) + 2.0
        assert ended.startswith(("LeaseLost: ", "StoreError: "))


async def test_commits_that_the_database_forgot_end_the_term_loudly() -> None:
    """As after a failover to a replica that was behind."""
    server = postgres()

    async with leading(server.url("forgetful")) as store:
        for number in range(5):
            await store.commit([page(number)])
        server.sql("UPDATE forgetful.leader SET seq = seq - 3", database="events")
        with pytest.raises(LeaseLost) as caught:
            await store.commit([page(9)])
        assert (str(caught.value), caught.value.forgotten) == (
            "the database has forgotten 3 commits it had acknowledged; counters go back; make its replication synchronous",
            3,
        )


async def test_names_with_nul_and_backslashes_are_kept_as_they_are() -> None:
    odd = Watch("t", "s", "a\0b\\0c\\\0")
    url = postgres().url()

    async with leading(url) as store:
        await store.commit([Commit(odd, events=page(1).events, progress=Progress(1), runs={odd.resource: b"\x90"})])
    async with leading(url) as store:
        assert await store.grown(odd, page(1).events) == [0]
        restored = await store.restore()
        assert [*restored.progress] == [odd]


def test_nothing_is_sent_ahead_of_an_answer() -> None:
    """A process that is paused within a pipelined transaction would keep the lease locked for as long."""
    folder = Path(__file__).parents[3] / "exporter" / "store" / "postgresql"
    texts = "".join(path.read_text() for path in folder.glob("*.py"))
    assert "executemany" not in texts
    assert "pipeline" not in texts.lower()
    assert "copy_records" not in texts


# --- very many keys


async def test_of_very_many_keys_those_of_a_watch_are_loaded_when_it_is_first_asked() -> None:
    url, other, old = postgres().url(), Watch("t", "s", "other"), Watch("t", "s", "old")
    events = page(1).events

    async def began(at_once: int) -> PostgresStore:
        return (await leadership(place(url), None, "a", LEASE, at_once).lead(lambda waiting: None)).store

    first = await began(0)
    await first.commit([page(1), Commit(other, events=events), page(2), Commit(old, events=events)])
    await first.close()
    second = await began(2)
    assert (second.keys, second.postponed) == (0, 4)
    assert await asyncio.gather(*(second.grown(WATCH, events) for _ in range(3))) == [[0]] * 3
    assert (second.keys, second.postponed) == (2, 2)
    await second.commit([Commit(other, forgotten=True), Commit(old, forget=9 * 86_400_000), page(3)])
    assert [await second.grown(one, events) for one in (other, old)] == [[1], [1]]
    assert (second.keys, second.postponed) == (3, 0)
    await second.close()
    third = await began(2)
    await third.commit([page(1)])
    assert (third.keys, third.postponed) == (3, 0)
    await third.close()
    fourth = await began(3)
    assert (fourth.keys, fourth.postponed) == (3, 0)
    await fourth.close()


async def test_keys_that_are_asked_for_while_the_database_is_away_are_waited_for() -> None:
    clock = ManualClock()
    async with TcpGate(postgres().port) as gate:
        async with leading(postgres().url("asked", port=gate.port), 20.0) as store:
            await store.commit([page(1)])
        one = leadership(place(postgres().url("asked", port=gate.port)), None, "a", 20.0, at_once=0)
        store = (await one.lead(lambda waiting: None)).store
        told = list[SelfEvent]()
        retrying = RetryingStore(store, clock, told.append)
        gate.cut_before(b"FROM asked.keys WHERE watch")
        asking = asyncio.create_task(retrying.grown(WATCH, page(1).events))
        while not asking.done():
            clock.advance(1.0)
            await asyncio.sleep(0.01)
        assert await asking == [0]
        assert [event.up for event in told if isinstance(event, StoreState)] == [False, True]
        await store.close()
        await one.close()


async def test_a_leader_migrates_the_tables_of_an_earlier_version() -> None:
    server, index = (
        postgres(),
        "SELECT count(*) FROM pg_indexes WHERE schemaname = 'earlier' AND indexname = 'keys_watch'",
    )
    async with leading(server.url("earlier")) as store:
        await store.commit([page(1)])
    server.sql("DROP INDEX earlier.keys_watch", "UPDATE earlier.leader SET version = 1", database="events")
    async with leading(server.url("earlier")) as store:
        assert await store.grown(WATCH, page(1).events) == [0]
    assert server.sql(index, "SELECT version FROM earlier.leader", database="events").split() == ["1", "2"]
