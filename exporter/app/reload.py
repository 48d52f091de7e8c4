"""Replaces the mappings while everything runs: all or nothing, and no counter loses its value.

A reload is requested (SIGHUP, POST), or follows from the mapping files and the files that they include. Those are
looked at every few seconds, together with the globs that name them and what a link points to. A file counts as changed
once two looks found the same change.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from exporter.app.assembly import Mappings, Runtime, SourcePipeline, read_mappings
from exporter.common.guard import guard
from exporter.config import Config, masked
from exporter.config.check import matches
from exporter.mapping.loader import included_by
from exporter.mapping.rules import MappingPack
from exporter.mapping.syntax.process import list_timeouts as process_timeouts
from exporter.model.errors import ConfigError, UnexpectedFailure
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.state import Restored
from exporter.model.telemetry import Loaded, LogMessage
from exporter.observability.self_metrics import SelfMetrics
from exporter.web.routes import ReloadResult

INTERVAL = 2.0  # seconds between two looks at the files
FileStamp = tuple[int, ...]
FileStamps = Mapping[Path, FileStamp]
IncludedFiles = dict[Path, tuple[FileStamp, tuple[Path, ...]]]
"""By mapping file: its stamp when it was last read, and the places of the files that it included then."""
_NOTHING = Restored(Changes(), frozenset(), {}, {}, {})


class Reload:
    """The mappings in use, and how others replace them. ``reread`` reads the configuration once more."""

    def __init__(
        self,
        config: Config,
        runtime: Runtime,
        pipelines: Sequence[SourcePipeline],
        own: SelfMetrics,
        reread: Callable[[], Config],
    ) -> None:
        self._running = config
        self._runtime = runtime
        self._pipelines = pipelines
        self._own = own
        self._reread = reread
        self.mappings = runtime.mappings
        self._entries = config.mapping_entries
        self._included: IncludedFiles = {}
        self._reported: tuple[str, ...] = ()
        self._lock = asyncio.Lock()

    async def reload(self) -> ReloadResult:
        """Load configuration and mappings again; with a problem, nothing has changed.

        The result has the problems, one line each, and the keys of the configuration whose new values wait for a
        restart.
        """
        async with self._lock:
            try:
                with guard("reload", "reload", self._runtime.report):
                    return await self._reload()
            except ConfigError as error:
                return self._fail(error.problems)
            except UnexpectedFailure as error:
                return self._fail((str(error),))

    async def reload_whenever(self, requested: asyncio.Event) -> None:
        """Reload whenever ``requested`` is set, until cancelled."""
        while True:
            await requested.wait()
            requested.clear()
            await self.reload()

    async def watch(self) -> None:
        """Reload whenever mapping files have changed, come or gone, until cancelled."""
        loaded = before = await self._stamps()
        while True:
            await self._runtime.clock.sleep(INTERVAL)
            now = await self._stamps()
            if now is not None and now == before and now != loaded:
                await self.reload()
                loaded = now
            before = now

    async def _stamps(self) -> FileStamps | None:
        """Return the stamps of the mapping files; None if they cannot be looked at, which is reported."""
        try:
            with guard("reload", "mapping files", self._runtime.report):
                return await asyncio.to_thread(stamps, self._entries, self._included)
        except UnexpectedFailure:
            return None

    async def _reload(self) -> ReloadResult:
        """Read everything, then replace the mappings. Raises ConfigError and StoreError."""
        config, mappings = await asyncio.to_thread(self._read)
        await self.replace(mappings)
        self._entries = config.mapping_entries
        self._runtime.report(Loaded(self._runtime.clock.now(), hashes(mappings.packs)))
        return ReloadResult(problems=(), restart=self._warn_restart_needed(config))

    def _fail(self, problems: tuple[str, ...]) -> ReloadResult:
        self._runtime.report(Loaded(self._runtime.clock.now(), {}, problems))
        return ReloadResult(problems=problems, restart=())

    def _read(self) -> tuple[Config, Mappings]:
        """Read the files as they are now, for the targets that run."""
        config = self._reread()
        return config, read_mappings(self._running.model_copy(update={"mapping_files": config.mapping_files}))

    async def replace(self, mappings: Mappings) -> None:
        """Put other mappings in use.

        Events that were mapped the old way are shown before the page changes, those mapped the new way after it.
        Raises StoreError.
        """
        fresh = [mappings.in_use(*pipeline.context.place) for pipeline in self._pipelines]

        def swap() -> None:
            for pipeline, mapping in zip(self._pipelines, fresh, strict=True):
                pipeline.context.mapping.swap(mapping)

        await self._runtime.committer.swap(swap, lambda: self._show(mappings))
        self.mappings = mappings

    async def _show(self, mappings: Mappings) -> None:
        """Change the page to what other mappings can expose. Raises StoreError."""
        runtime, catalogue = self._runtime, mappings.catalogue
        stale = runtime.registry.stale(catalogue)
        restored = await runtime.store.restore() if stale else _NOTHING
        for name in runtime.admission.adopt(catalogue, restored):
            text = f"{name}: some kept series do not fit the mappings; they wait in the store"
            runtime.report(LogMessage(text, warning=True))
        self._own.adopt(catalogue)
        ended = tuple(timeouts(runtime, self.mappings))
        runtime.admission.write(Changes(gauges=timeouts(runtime, mappings), ended=ended))
        for pipeline in self._pipelines:
            pipeline.discovery.expose()

    def _warn_restart_needed(self, config: Config) -> tuple[str, ...]:
        """Return the keys whose new values need a restart; warn of them once, until they change again."""
        old, new = ({**masked(one), "store": one.store} for one in (self._running, config))
        waiting = tuple(key for key in old if key != "mappings" and old[key] != new[key])
        if waiting and waiting != self._reported:
            text = f"{', '.join(waiting)}: changed in the configuration; restart the exporter to use it"
            self._runtime.report(LogMessage(text, warning=True))
        self._reported = waiting
        return waiting


def timeouts(runtime: Runtime, mappings: Mappings) -> dict[Series, Moment]:
    """Return the phase timeouts that the mappings state. They are not stored, for they come from the mappings."""
    at = int(runtime.clock.now() * 1000)
    stated = process_timeouts({source: pack.process for source, pack in mappings.packs.items()})
    return {("platform_phase_timeout_seconds", (source, phase)): Moment(value, at) for source, phase, value in stated}


def hashes(packs: Mapping[str, MappingPack]) -> dict[str, str]:
    """Return the hash of the mapping of each source."""
    return {source: pack.hash for source, pack in packs.items()}


def stamps(entries: Sequence[Path], included: IncludedFiles) -> FileStamps:
    """Return what tells one content of files from another; links are followed.

    The files are those of the entries and those that they include. Of the entries, a file is read only if ``included``
    does not know it as it is now; what it includes is put there.
    """
    found = _stamps_of(path for entry in entries for path in matches(entry))
    for path, stamp in found.items():
        if path not in included or included[path][0] != stamp:
            included[path] = (stamp, included_by(path))
    return found | _stamps_of(place for path in found for place in included[path][1])


def _stamps_of(paths: Iterable[Path]) -> dict[Path, FileStamp]:
    """Return the stamps of those files that are there."""
    found: dict[Path, FileStamp] = {}
    for path in paths:
        with suppress(OSError):  # no such file, or it was removed meanwhile
            stat = path.stat()
            found[path] = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found
