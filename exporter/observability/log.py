"""Log lines about the exporter itself, where something begins, breaks or ends.

An outage of a source is one warning and one line at its end, however many resources it concerns and however often each
of them fails. What repeats is logged at level debug, and the end says how much it was.
"""

import json
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from exporter.common.text import exact, one_line
from exporter.model import telemetry
from exporter.observability.outages import Outages

MAX_REPEATS = 1_000  # kinds of repeated lines that are remembered
HOUR = 3600.0  # seconds until something that goes on is logged once more
SAMPLE = 80  # characters of a foreign text in a line
ANOMALIES = {
    "truncated": "events may be missing: an answer was full and could not be narrowed, a list ended before its total, "
    "or a part was not read; see docs/runbooks/PlatformReadsTruncated.md",
    "unreadable": "records could not be read and are in no event counter; report their form to this project",
}


class Log:
    """Writes telemetry events to a logger. ``steady`` gives seconds that only grow."""

    def __init__(self, logger: logging.Logger, steady: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._outages = Outages()
        self._unwritten = ""  # why answers were not recorded the last time
        self._full: set[str] = set()  # metrics whose series limit was logged
        self._store_up = True
        self._anomalies = _Repeats(steady)
        self._errors = _Repeats(steady)
        self._times = _Repeats(steady)
        self._handlers: dict[type[telemetry.SelfEvent], Callable[[Any], None]] = {
            telemetry.PollDone: self._poll_done,
            telemetry.PollFailed: self._poll_failed,
            telemetry.Throttled: self._throttled,
            telemetry.Discovered: self._discovered,
            telemetry.Contacted: self._contacted,
            telemetry.ReadAnomalies: self._read_anomalies,
            telemetry.UnmappedTexts: self._unmapped_text,
            telemetry.Overflowed: self._overflowed,
            telemetry.SeriesLimitReached: self._series_limit_reached,
            telemetry.Unrecorded: self._unrecorded,
            telemetry.UnexpectedError: self._unexpected_error,
            telemetry.ImplausibleTimes: self._implausible_times,
            telemetry.Loaded: self._loaded,
            telemetry.StoreState: self._store_state,
            telemetry.Standby: self._standby,
            telemetry.TermBegan: self._term_began,
            telemetry.TermEnded: self._term_ended,
            telemetry.RowsSetAside: self._rows_set_aside,
            telemetry.LogMessage: self._log_message,
        }

    def report(self, event: telemetry.SelfEvent) -> None:
        """Log a telemetry event; those that are numbers only have no line."""
        handle = self._handlers.get(type(event))
        if handle is not None:
            handle(event)

    def _poll_done(self, done: telemetry.PollDone) -> None:
        if not self._end_outages(done):
            self._write(logging.DEBUG, "read", done, events=done.events, new=done.new, seconds=round(done.seconds, 3))

    def _poll_failed(self, failure: telemetry.PollFailed) -> None:
        if failure.cause == "gone":  # a resource that ended is routine
            self._outages.leave(failure)
            level = logging.DEBUG
        else:
            level = logging.WARNING if self._outages.begins(failure) else logging.DEBUG
        self._write(level, str(failure.error), failure, cause=failure.cause, retry_in=round(failure.wait, 1))

    def _throttled(self, event: telemetry.Throttled) -> None:
        self._write(logging.DEBUG, "refused for now", event, api=event.api, wait=event.wait)

    def _discovered(self, event: telemetry.Discovered) -> None:
        if not self._end_outages(event):
            self._write(logging.DEBUG, "listed", event, resources=event.resources)

    def _end_outages(self, success: telemetry.PollDone | telemetry.Discovered) -> bool:
        """Log the end of each outage that is over with this success.

        Return whether there was one.
        """
        ended = [*self._outages.ended_by(success)]
        for outage in ended:
            number = len(outage.watches)
            self._write(logging.INFO, outage.describe_end(), success, failed=number if number > 1 else None)
        return bool(ended)

    def _contacted(self, event: telemetry.Contacted) -> None:
        text = "first contact; what happened before is history and not counted"
        self._write(logging.INFO, text, event, since=exact(event.at).replace("Z", "+00:00"))

    def _read_anomalies(self, event: telemetry.ReadAnomalies) -> None:
        for anomaly, text in ANOMALIES.items():
            if number := int(getattr(event, anomaly)):
                self._write_anomaly(event, anomaly, text, number)
        if event.late:
            text = "late events were counted; a longer overlap would read them in time"
            self._write(logging.DEBUG, text, event, late=event.late)

    def _write_anomaly(self, event: telemetry.ReadAnomalies, anomaly: str, text: str, number: int) -> None:
        """Log an anomaly of a source at most once an hour, with how often it came up since, in whatever resources."""
        _, times = self._anomalies.add((event.target, event.source, anomaly), number)
        self._write(logging.WARNING if times else logging.DEBUG, text, event, times=times or number)

    def _unmapped_text(self, event: telemetry.UnmappedTexts) -> None:
        text = "no rule took this text"
        self._write(logging.DEBUG, text, event, cause=event.cause, message=event.text, times=event.times)

    def _overflowed(self, event: telemetry.Overflowed) -> None:
        text = "a label value outside its domain became other; add it to the vocabulary of the mapping"
        self._write(logging.DEBUG, text, event, metric=event.metric, label=event.label, times=event.times)

    def _series_limit_reached(self, event: telemetry.SeriesLimitReached) -> None:
        text = (
            f"{event.metric} is full (max_series is {event.most}): events of further resources count as other in it, gauges"
            " and states of them are not shown; raise max_series, shorten series_ttl, or leave out resources by exclude"
        )
        self._write(logging.DEBUG if event.metric in self._full else logging.WARNING, text, event, times=event.times)
        self._full.add(event.metric)

    def _unrecorded(self, event: telemetry.Unrecorded) -> None:
        level = logging.DEBUG if event.why == self._unwritten else logging.WARNING
        self._unwritten = event.why
        self._write(level, f"answers are not recorded: {event.why}", event)

    def _unexpected_error(self, event: telemetry.UnexpectedError) -> None:
        """Log an unforeseen error with its traceback once.

        Later a line says at most once an hour how often it came again.
        """
        error, key = event.error, _origin(event.part, event.error)
        is_first, times = self._errors.add(key, 1)
        name = f"unexpected {type(error).__name__}"
        if is_first:
            text = f"{name} ({one_line(str(error), SAMPLE)}); report it with its traceback to this project"
            self._write(logging.ERROR, text, event, error=error, part=event.part, where=event.where)
        elif times:
            self._write(logging.ERROR, f"{name} again", event, part=event.part, where=event.where, times=times)
        else:
            self._write(logging.DEBUG, f"{name} again", event, part=event.part, where=event.where)

    def _store_state(self, event: telemetry.StoreState) -> None:
        if not event.up:
            text = f"reading waits until the store can be used again, the page stands still: {event.problem}"
            self._write(logging.WARNING, text, event)
        elif not self._store_up:
            self._write(logging.INFO, "the store can be used again; reading goes on", event)
        self._store_up = event.up

    def _standby(self, event: telemetry.Standby) -> None:
        if event.leader:
            self._write(logging.INFO, f"waits as standby: {event.leader} leads, term {event.term}", event)
        if event.problem:
            self._write(logging.WARNING, f"cannot lead: {event.problem}", event)

    def _term_began(self, event: telemetry.TermBegan) -> None:
        loaded = f"{event.keys:,} keys loaded in {event.seconds:.1f} s"
        if event.postponed:
            loaded += f", {event.postponed:,} are loaded when they are first asked for"
        self._write(logging.INFO, f"leads now, term {event.term}: {event.reason}; {loaded}", event)

    def _term_ended(self, event: telemetry.TermEnded) -> None:
        level = logging.ERROR if event.forgotten else logging.WARNING
        self._write(level, f"leads no more: {event.reason}", event)

    def _rows_set_aside(self, event: telemetry.RowsSetAside) -> None:
        text = (
            f"the state file held {event.rows} rows in {event.table} that cannot be used; they were set aside or mended"
        )
        self._write(logging.WARNING, text, event)

    def _implausible_times(self, event: telemetry.ImplausibleTimes) -> None:
        """Log implausible times of a source at most once an hour, with their number."""
        _, times = self._times.add((event.target, event.source), event.times)
        text = (
            f"times that cannot be true were not used, such as '{one_line(event.sample, SAMPLE)}'; "
            "their events count as seen now: check the clock and event_timezone of this source"
        )
        self._write(logging.WARNING if times else logging.DEBUG, text, event, times=times or event.times)

    def _loaded(self, event: telemetry.Loaded) -> None:
        for problem in event.problems:
            self._write(logging.ERROR, problem, event)
        if not event.problems:
            self._write(logging.INFO, "configuration and mappings loaded", event, mappings=len(event.hashes))

    def _log_message(self, event: telemetry.LogMessage) -> None:
        self._write(logging.WARNING if event.warning else logging.INFO, event.text, event)

    def _write(
        self, level: int, text: str, event: telemetry.SelfEvent, *, error: BaseException | None = None, **more: object
    ) -> None:
        where = {name: getattr(event, name) for name in ("target", "source", "resource") if getattr(event, name, "")}
        fields = {**where, **{name: value for name, value in more.items() if value is not None}}
        trace = None if error is None else (type(error), error, error.__traceback__)
        self._logger.log(level, "%s", text, extra={"fields": fields}, exc_info=trace)


class _Repeats:
    """What was logged and how often it came again since, for at most one line an hour."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._seen: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def add(self, key: tuple[str, ...], times: int) -> tuple[bool, int]:
        """Count occurrences.

        Return whether they are the first, and the number to log now (0: nothing).
        """
        now = self._steady()
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = (now, 0)
            if len(self._seen) > MAX_REPEATS:
                self._seen.popitem(last=False)
            return True, times
        since, before = known
        due = now - since >= HOUR
        self._seen[key] = (now, 0) if due else (since, before + times)
        return False, before + times if due else 0


def _origin(part: str, error: BaseException) -> tuple[str, ...]:
    """Return what makes two unforeseen errors the same: part, class, and raising line."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        line, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    return part, type(error).__name__, line


class RateLimit(logging.Filter):
    """A filter that passes a few lines of each kind a minute.

    One line says how many more there were.

    A stranger who can reach the web port can repeat whatever is logged about a request.
    """

    LINES = 5  # of one kind a minute
    MINUTE = 60.0
    MAX_KINDS = 100

    def __init__(
        self,
        logger: logging.Logger,
        steady: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """``call_later`` calls a function after so many seconds.

        Lines left out are counted by then.
        """
        super().__init__()
        self._logger = logger
        self._steady = steady
        self._call_later = call_later
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether this line is written."""
        if getattr(record, "fields", {}).get("left_out"):
            return True
        now, kind = self._steady(), str(record.msg)
        began, lines = self._windows.get(kind, (now, 0))
        if now - began >= self.MINUTE:
            began, lines = now, 0
        self._windows[kind] = (began, lines + 1)
        if len(self._windows) > self.MAX_KINDS:
            self._windows.popitem(last=False)
        if lines == self.LINES:
            self._call_later(began + self.MINUTE - now, lambda: self._count(kind, record.levelno))
        return lines < self.LINES

    def _count(self, kind: str, level: int) -> None:
        _, lines = self._windows.pop(kind, (0.0, 0))
        if lines > self.LINES:
            text = f"{one_line(kind, SAMPLE)} (more of them within a minute)"
            self._logger.log(level, "%s", text, extra={"fields": {"left_out": lines - self.LINES}})


class Line(logging.Formatter):
    """One line a record, as logfmt or as JSON.

    Its fields are time, level, logger, text, and those of the telemetry event.
    """

    def __init__(self, form: Literal["logfmt", "json"]) -> None:
        super().__init__()
        self._encode = _json if form == "json" else _logfmt

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback in ``trace`` where there is one."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return self._encode(line)


def make_handler(form: Literal["logfmt", "json"] = "logfmt", stream: TextIO | None = None) -> logging.Handler:
    """Return a handler that writes lines to ``stream``, by default to standard error."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(Line(form))
    return handler


def _json(line: dict[str, object]) -> str:
    return json.dumps(line, ensure_ascii=False, default=str)


def _logfmt(line: dict[str, object]) -> str:
    return " ".join(f"{key}={_quote(str(value))}" for key, value in line.items())


def _quote(text: str) -> str:
    plain = text and text.isprintable() and not set(text) & set(' "=\\')
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
