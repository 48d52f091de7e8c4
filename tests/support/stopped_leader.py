"""A leader that stops itself in a transaction: python -m tests.support.stopped_leader URL LEASE PLACE.

PLACE is ``between`` two statements, or ``within`` one: after its first message, before that with its values.
"""

import asyncio
import os
import signal
import sys

from exporter.model.errors import StoreError
from exporter.store import leadership, parse_store
from exporter.store.postgresql.url import PostgresUrl


async def main(url: str, lease: float, where: str) -> None:
    """Lead, begin a commit, stop; once resumed, go on with the commit and say how it ended."""
    place = parse_store(url)
    assert isinstance(place, PostgresUrl)
    store = (await leadership(place, None, "stopped", lease).lead(lambda waiting: None)).store

    async def work(execute: object) -> None:
        if where == "within":
            await store._connection._open.prepare("SELECT $1::int")
        print("stops", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)

    try:
        await store._write(work)
        print("committed", flush=True)
    except StoreError as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
