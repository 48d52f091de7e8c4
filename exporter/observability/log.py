"""Turns facts into log lines: quiet about routine, one line where something begins or breaks; never repeats itself.

A failure is logged once, however many watches of a source it hits and however often, until it changes or ends.
"""

import json
import logging
import sys
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from exporter.model import telemetry

REMEMBERED = 10_000  # failing watches whose last words are kept
TROUBLES = {
    "truncated": "events may be missing: an answer was full and could not be narrowed; poll this source more often",
    "unreadable": "records could not be read and are in no event counter; report their form to this project",
}
Watch = tuple[str, str, str]


class Log:
    """Hears facts and logs them."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._failing: OrderedDict[Watch, str] = OrderedDict()
        self._outages: dict[tuple[str, str], set[str]] = {}  # what was said since a source's last success
        self._unwritten = ""  # why answers were not recorded the last time
        self._full: set[str] = set()  # metrics of which that was said
        self._warned: set[tuple[str, str]] = set()
        self._troubled: OrderedDict[tuple[Watch, str], bool] = OrderedDict()  # whether it came up in this read
        self._listeners: dict[type[telemetry.SelfEvent], Callable[[Any], None]] = {
            telemetry.PollDone: self._poll_done,
            telemetry.PollFailed: self._poll_failed,
            telemetry.Throttled: self._throttled,
            telemetry.Discovered: self._discovered,
            telemetry.Contacted: self._contacted,
            telemetry.ReadAnomalies: self._records,
            telemetry.UnmappedTexts: self._unmapped,
            telemetry.Overflowed: self._overflowed,
            telemetry.SeriesLimitReached: self._is_full,
            telemetry.Unrecorded: self._unrecorded,
            telemetry.Loaded: self._loaded,
            telemetry.LogMessage: self._noted,
        }

    def tell(self, fact: telemetry.SelfEvent) -> None:
        """Hears a fact; those that are numbers only are let pass."""
        listen = self._listeners.get(type(fact))
        if listen is not None:
            listen(fact)

    def _poll_done(self, fact: telemetry.PollDone) -> None:
        watch = (fact.target, fact.source, fact.resource)
        self._end_troubles(watch)
        self._outages.pop(watch[:2], None)
        if self._failing.pop(watch, None) is not None and watch[:2] in self._warned:
            self._warned.remove(watch[:2])
            self._say(logging.INFO, "reads get through again", fact)
        else:
            self._say(logging.DEBUG, "read", fact, events=fact.events, new=fact.new, seconds=round(fact.seconds, 3))

    def _poll_failed(self, fact: telemetry.PollFailed) -> None:
        watch, words = (fact.target, fact.source, fact.resource), str(fact.error)
        said = self._outages.setdefault(watch[:2], set())
        known = fact.cause == "gone" or words in said or self._failing.pop(watch, None) == words
        if fact.cause != "gone":  # a resource that ended is routine
            self._failing[watch] = words
            said.add(words)
        if len(self._failing) > REMEMBERED:
            self._failing.popitem(last=False)
        if len(said) > REMEMBERED:
            said.clear()
        if not known:
            self._warned.add(watch[:2])
        level = logging.DEBUG if known else logging.WARNING
        self._say(level, words, fact, cause=fact.cause, retry_in=round(fact.wait, 1))

    def _throttled(self, fact: telemetry.Throttled) -> None:
        self._say(logging.DEBUG, "refused for now", fact, api=fact.api, wait=fact.wait)

    def _discovered(self, fact: telemetry.Discovered) -> None:
        place = (fact.target, fact.source)
        alone = self._failing.pop((*place, ""), None) is not None and all(watch[:2] != place for watch in self._failing)
        if alone and place in self._warned:  # only listing had failed: no read will say that it is over
            self._warned.remove(place)
            self._outages.pop(place, None)
            self._say(logging.INFO, "reads get through again", fact)
        else:
            self._say(logging.DEBUG, "listed", fact, resources=fact.resources)

    def _contacted(self, fact: telemetry.Contacted) -> None:
        since = datetime.fromtimestamp(fact.at, UTC).isoformat(timespec="seconds")
        self._say(logging.INFO, "first contact; what happened before is history and not counted", fact, since=since)

    def _records(self, fact: telemetry.ReadAnomalies) -> None:
        for trouble, words in TROUBLES.items():
            if getattr(fact, trouble):
                self._say_trouble(fact, trouble, words)
        if fact.late:
            text = "late events were counted; a longer overlap would read them in time"
            self._say(logging.DEBUG, text, fact, late=fact.late)

    def _say_trouble(self, fact: telemetry.ReadAnomalies, trouble: str, words: str) -> None:
        """A record that is read again with every poll is told once, until a read goes by without it."""
        key = ((fact.target, fact.source, fact.resource), trouble)
        if self._troubled.pop(key, None) is None:
            self._say(logging.WARNING, words, fact)
        self._troubled[key] = True
        if len(self._troubled) > REMEMBERED:
            self._troubled.popitem(last=False)

    def _end_troubles(self, watch: Watch) -> None:
        for key in ((watch, trouble) for trouble in TROUBLES):
            if self._troubled.pop(key, False):
                self._troubled[key] = False

    def _unmapped(self, fact: telemetry.UnmappedTexts) -> None:
        self._say(logging.DEBUG, "no rule took this text", fact, cause=fact.cause, message=fact.text, times=fact.times)

    def _overflowed(self, fact: telemetry.Overflowed) -> None:
        text = "a label value outside its domain became other; add it to the vocabulary of the mapping"
        self._say(logging.DEBUG, text, fact, metric=fact.metric, label=fact.label, times=fact.times)

    def _is_full(self, fact: telemetry.SeriesLimitReached) -> None:
        text = (
            f"{fact.metric} is full (max_series is {fact.most}): events of further resources count as other in it, "
            "gauges and states of them are not shown; raise max_series, shorten series_ttl, or leave out resources by exclude"
        )
        self._say(logging.DEBUG if fact.metric in self._full else logging.WARNING, text, fact, times=fact.times)
        self._full.add(fact.metric)

    def _unrecorded(self, fact: telemetry.Unrecorded) -> None:
        known, self._unwritten = fact.why == self._unwritten, fact.why
        self._say(logging.DEBUG if known else logging.WARNING, f"answers are not recorded: {fact.why}", fact)

    def _loaded(self, fact: telemetry.Loaded) -> None:
        for problem in fact.problems:
            self._say(logging.ERROR, problem, fact)
        if not fact.problems:
            self._say(logging.INFO, "configuration and mappings loaded", fact, mappings=len(fact.hashes))

    def _noted(self, fact: telemetry.LogMessage) -> None:
        self._say(logging.WARNING if fact.warning else logging.INFO, fact.text, fact)

    def _say(self, level: int, text: str, fact: telemetry.SelfEvent, **more: object) -> None:
        where = {name: getattr(fact, name) for name in ("target", "source", "resource") if getattr(fact, name, "")}
        fields = {**where, **{name: value for name, value in more.items() if value is not None}}
        self._logger.log(level, "%s", text, extra={"fields": fields})


class Line(logging.Formatter):
    """One line a record, as logfmt or as JSON: time, level, logger, text, and the fields of a fact."""

    def __init__(self, form: Literal["logfmt", "json"]) -> None:
        super().__init__()
        self._write = _json if form == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        """The line, with a traceback in ``trace`` where there is one."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return self._write(line)


def make_handler(form: Literal["logfmt", "json"] = "logfmt", stream: TextIO | None = None) -> logging.Handler:
    """A handler that writes such lines to ``stream``, or to stderr."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(Line(form))
    return handler


def _json(line: dict[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, default=str)


def _logfmt(line: dict[str, object]) -> str:
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in line.items())


def _quoted(text: str) -> str:
    plain = text and text.isprintable() and not set(text) & set(' "=\\')
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
