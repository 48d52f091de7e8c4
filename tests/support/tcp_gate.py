"""A TCP proxy that falls silent, cuts a connection around a message, or changes what the server says."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self


class TcpGate:
    """A proxy on loopback before ``port``. While ``silent``, it passes nothing on and closes nothing."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._before = self._after = b""
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.silent = False
        self.change: Callable[[bytes], bytes] = bytes  # of what the server says
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    def cut_after(self, message: bytes) -> None:
        """Pass the next message with these bytes on, then cut the connection before the answer."""
        self._after = message

    def cut_before(self, message: bytes) -> None:
        """Cut the connection in place of passing on the next message with these bytes."""
        self._before = message

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, forth]
        for task in (self._pass(reader, forth, writer), self._pass(back, writer, None)):
            running = asyncio.create_task(task)
            self._tasks.add(running)
            running.add_done_callback(self._tasks.discard)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None
    ) -> None:
        while data := await reader.read(65_536):
            while self.silent:
                await asyncio.sleep(0.02)
            if client is not None and self._before and self._before in data:
                self._before = b""
                self.cuts += 1
                client.transport.abort()
                break
            with contextlib.suppress(ConnectionError):
                writer.write(self.change(data) if client is None else data)
                await writer.drain()
            if client is not None and self._after and self._after in data:
                self._after = b""
                self.cuts += 1
                client.transport.abort()
                await asyncio.sleep(0.05)  # the server makes it meanwhile
                break
        writer.close()
