"""Raw answers of vendors in files, for ``replay``.

They hold no secrets and stay within a limit. Recording never delays or fails a read: an answer that does not fit or
cannot be written is left out and counted.
"""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import re2

from exporter.model.events import Millis, Request, Response
from exporter.model.protocols import Report
from exporter.model.telemetry import Unrecorded

FILES = 10  # of a directory at its limit; the oldest file is deleted as a whole
WAITING = 8 * 2**20  # bytes that may wait to be written
_SECRET = re2.compile(
    r"(?i)((?:signature|access_?-?key_?-?(?:id|secret)?|secret_?-?(?:access_?-?)?key|security_?-?token|auth_?-?token"
    r'|password|passwd|token|authorization|credential)(?:\\?")?\s*[=:]\s*(?:\\?")?(?:bearer |basic )?)[^\s"\\&,;<>{}]+'
)
_JWT = re2.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class RecordedAnswer(msgspec.Struct, frozen=True):
    """One answer to a read of events, as it stands in a file.

    ``at`` is when it came and ``date`` the vendor's clock, both in Unix ms.
    """

    at: Millis
    target: str
    source: str
    resource: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str
    date: Millis | None = None


_encode = msgspec.json.Encoder().encode


def redact(text: str) -> str:
    """Remove what looks like a key, a token or a password from a text; in linear time."""
    return str(_JWT.sub("***", _SECRET.sub(r"\1***", text)))


class _PendingAnswer(msgspec.Struct, frozen=True):
    """A raw answer waiting to be written; ``place`` is target and source."""

    at: Millis
    place: tuple[str, str]
    resource: str
    request: Request
    response: Response

    def line(self) -> bytes:
        """Return the line of the file, without secrets."""
        target, source = self.place
        answer = RecordedAnswer(
            at=self.at,
            target=target,
            source=source,
            resource=self.resource,
            path=self.request.path,
            query=tuple((name, redact(f"{name}={text}").partition("=")[2]) for name, text in self.request.query),
            body=redact(self.response.body.decode("utf-8", "replace")),
            date=self.response.date,
        )
        return _encode(answer) + b"\n"


class Recorder:
    """Writes answers to files in ``directory``, ``limit`` bytes at most.

    ``record`` only queues an answer; ``run`` writes.
    """

    def __init__(self, directory: Path, limit: int, report: Report) -> None:
        self._directory = directory
        self._limit = limit
        self._report = report
        self._pending: list[_PendingAnswer] = []
        self._pending_size = 0
        self._lost: Counter[str] = Counter()
        self._wake = asyncio.Event()

    def record(self, place: tuple[str, str], resource: str, request: Request, response: Response, now: Millis) -> None:
        """Queue an answer to a read of a target's source (``place``) for writing.

        It is counted as lost if too much waits.
        """
        if self._pending_size + len(response.body) > WAITING:
            self._lost["they come faster than they can be written"] += 1
        else:
            self._pending.append(_PendingAnswer(now, place, resource, request, response))
            self._pending_size += len(response.body)
        self._wake.set()

    async def run(self) -> None:
        """Write queued answers until cancelled.

        Those queued by then are written before it returns.
        """
        writing: asyncio.Future[None] | None = None
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                writing = asyncio.ensure_future(asyncio.to_thread(self._write, self._take_pending()))
                await asyncio.shield(writing)
                self._report_lost()
        finally:
            if writing is not None:
                await writing
            self._write(self._take_pending())
            self._report_lost()

    def _take_pending(self) -> list[_PendingAnswer]:
        pending = self._pending
        self._pending = []
        self._pending_size = 0
        return pending

    def _write(self, answers: list[_PendingAnswer]) -> None:
        for number, answer in enumerate(answers):
            line = answer.line()
            if len(line) > self._limit:
                self._lost["one is larger than the limit"] += 1
                continue
            try:
                self._append(line)
            except OSError as error:
                self._lost[f"{self._directory}: {error.strerror}"] += len(answers) - number
                return

    def _append(self, line: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = recorded_files(self._directory)
        sizes = [path.stat().st_size for path in files]
        while files and sum(sizes) + len(line) > self._limit:
            files.pop(0).unlink()
            sizes.pop(0)
        if not files or sizes[-1] + len(line) > self._limit // FILES:
            number = int(files[-1].stem.partition("-")[2]) + 1 if files else 1
            files.append(self._directory / f"answers-{number:08}.jsonl")
            files[-1].touch(mode=0o600)
        with files[-1].open("ab") as file:
            file.write(line)

    def _report_lost(self) -> None:
        lost, self._lost = self._lost, Counter()
        for why, times in lost.items():
            self._report(Unrecorded(why, times))


def recorded_files(directory: Path) -> list[Path]:
    """Return the files of a recording, oldest first."""
    return sorted(path for path in directory.glob("answers-*.jsonl") if path.stem.partition("-")[2].isdecimal())
