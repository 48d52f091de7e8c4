"""Keeps raw answers of vendors in files, without secrets and within a limit, so that a mapping can be tried on them later.

Recording hinders nothing: what does not fit, or cannot be written, is left out and counted.
"""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import re2

from exporter.model.events import Millis, Request, Response
from exporter.model.protocols import Tell
from exporter.model.telemetry import Unrecorded

FILES = 10  # a folder at its limit has so many files; the oldest leaves as a whole
WAITING = 8 * 2**20  # bytes that may wait to be written
_SECRET = re2.compile(
    r"(?i)((?:signature|access_?-?key_?-?(?:id|secret)?|secret_?-?(?:access_?-?)?key|security_?-?token|auth_?-?token"
    r'|password|passwd|token|authorization|credential)(?:\\?")?\s*[=:]\s*(?:\\?")?(?:bearer |basic )?)[^\s"\\&,;<>{}]+'
)
_JWT = re2.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class Recorded(msgspec.Struct, frozen=True):
    """One answer to a read of events: when it came (Unix ms), whose it is, what was asked, and its body."""

    at: Millis
    target: str
    source: str
    resource: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: str
    date: Millis | None = None


_encode = msgspec.json.Encoder().encode


def redacted(text: str) -> str:
    """A text without what looks like a key, a token or a password; in linear time."""
    return str(_JWT.sub("***", _SECRET.sub(r"\1***", text)))


class _Heard(msgspec.Struct, frozen=True):
    """What came, as it came."""

    at: Millis
    place: tuple[str, str]
    resource: str
    ask: Request
    answer: Response

    def line(self) -> bytes:
        """As it is kept."""
        query = tuple((name, redacted(f"{name}={text}").partition("=")[2]) for name, text in self.ask.query)
        body = redacted(self.answer.body.decode("utf-8", "replace"))
        return (
            _encode(Recorded(self.at, *self.place, self.resource, self.ask.path, query, body, self.answer.date)) + b"\n"
        )


class Recorder:
    """Writes answers to files in ``folder``, ``limit`` bytes at most. ``run`` does the work; ``hear`` only hands over."""

    def __init__(self, folder: Path, limit: int, tell: Tell) -> None:
        self._folder, self._limit, self._tell = folder, limit, tell
        self._waiting: list[_Heard] = []
        self._size = 0
        self._lost: Counter[str] = Counter()
        self._heard = asyncio.Event()

    def hear(self, place: tuple[str, str], resource: str, ask: Request, answer: Response, now: Millis) -> None:
        """One answer to a read of a target's source."""
        if self._size + len(answer.body) > WAITING:
            self._lost["they come faster than they can be written"] += 1
        else:
            self._waiting.append(_Heard(now, place, resource, ask, answer))
            self._size += len(answer.body)
        self._heard.set()

    async def run(self) -> None:
        """Until it is cancelled; what was heard by then is written."""
        writing: asyncio.Future[None] | None = None
        try:
            while True:
                await self._heard.wait()
                self._heard.clear()
                writing = asyncio.ensure_future(asyncio.to_thread(self._write, self._taken()))
                await asyncio.shield(writing)
                self._say()
        finally:
            if writing is not None:
                await writing
            self._write(self._taken())
            self._say()

    def _taken(self) -> list[_Heard]:
        heard, self._waiting, self._size = self._waiting, [], 0
        return heard

    def _write(self, heard: list[_Heard]) -> None:
        for number, one in enumerate(heard):
            line = one.line()
            if len(line) > self._limit:
                self._lost["one is larger than the limit"] += 1
                continue
            try:
                self._append(line)
            except OSError as error:
                self._lost[f"{self._folder}: {error.strerror}"] += len(heard) - number
                return

    def _append(self, line: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = recorded_files(self._folder)
        sizes = [path.stat().st_size for path in files]
        while files and sum(sizes) + len(line) > self._limit:
            files.pop(0).unlink()
            sizes.pop(0)
        if not files or sizes[-1] + len(line) > self._limit // FILES:
            number = int(files[-1].stem.partition("-")[2]) + 1 if files else 1
            files.append(self._folder / f"answers-{number:08}.jsonl")
            files[-1].touch(mode=0o600)
        with files[-1].open("ab") as file:
            file.write(line)

    def _say(self) -> None:
        lost, self._lost = self._lost, Counter()
        for why, times in lost.items():
            self._tell(Unrecorded(why, times))


def recorded_files(folder: Path) -> list[Path]:
    """The files of a recording, oldest first."""
    return sorted(path for path in folder.glob("answers-*.jsonl") if path.stem.partition("-")[2].isdecimal())
