"""Exchanges the mappings while everything runs: all or nothing, and no counter loses what it has.

A reload is asked for (SIGHUP, POST), or follows from the mapping files: they are looked at every few seconds, with the
globs that name them, and what a link points to. A file counts as changed once two looks found it the same.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exporter.app.assembly import Mappings, Runtime, SourcePipeline, read_known
from exporter.config import Config, masked
from exporter.config.check import matches
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import folder
from exporter.mapping.syntax.process import timeouts as process_timeouts
from exporter.model.errors import ConfigError
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.protocols import Fold, Map
from exporter.model.state import Restored
from exporter.model.telemetry import Loaded, LogMessage
from exporter.observability.self_metrics import SelfMetrics

BETWEEN = 2.0  # seconds between two looks at the files
Prints = Mapping[Path, tuple[int, ...]]
_NOTHING = Restored(Changes(), frozenset(), {}, {}, {})


class Reload:
    """Knows the mappings in use, and puts others in their place. ``reread`` reads the configuration once more."""

    def __init__(
        self,
        config: Config,
        core: Runtime,
        stations: Sequence[SourcePipeline],
        own: SelfMetrics,
        reread: Callable[[], Config],
    ) -> None:
        self._running, self._core, self._stations, self._own, self._reread = config, core, stations, own, reread
        self.known, self._entries = core.known, config.mapping_entries
        self._said: tuple[str, ...] = ()
        self._turn = asyncio.Lock()

    async def reload(self) -> tuple[str, ...]:
        """Loads configuration and mappings again. Returns the problems, one line each; with any, nothing has changed."""
        async with self._turn:
            try:
                config, known = await asyncio.to_thread(self._read)
            except ConfigError as error:
                self._core.tell(Loaded(self._core.clock.now(), {}, error.problems))
                return error.problems
            self._entries = config.mapping_entries
            await self._exchange(known)
            self.known = known
            self._core.tell(Loaded(self._core.clock.now(), hashes(known.packs)))
            self._warn_restart_needed(config)
            return ()

    async def on(self, asked: asyncio.Event) -> None:
        """Reloads whenever ``asked`` is set."""
        while True:
            await asked.wait()
            asked.clear()
            await self.reload()

    async def watch(self) -> None:
        """Reloads whenever mapping files have changed, come or gone."""
        loaded = before = await asyncio.to_thread(prints, self._entries)
        while True:
            await self._core.clock.sleep(BETWEEN)
            now = await asyncio.to_thread(prints, self._entries)
            if now == before and now != loaded:
                await self.reload()
                loaded = now
            before = now

    def _read(self) -> tuple[Config, Mappings]:
        """What the files say now, for the targets that run."""
        config = self._reread()
        return config, read_known(self._running.model_copy(update={"mapping_files": config.mapping_files}))

    async def _exchange(self, known: Mappings) -> None:
        """Events that were mapped the old way are shown before the page changes, those mapped the new way after it."""
        core, meanings = self._core, [_meaning(known, station) for station in self._stations]

        def turn() -> None:
            for station, (map_, fold) in zip(self._stations, meanings, strict=True):
                station.collector.learn(map_, known.catalogue.metrics, fold)
                station.listing.severities = known.catalogue.severities.get(station.desk.source, ())

        async def adopt() -> None:
            stale = core.prometheus.stale(known.catalogue)
            restored = await core.store.restore() if stale else _NOTHING
            for name in core.prometheus.adopt(known.catalogue, restored):
                core.tell(
                    LogMessage(
                        f"{name}: some kept series do not fit the mappings; they wait in the store", warning=True
                    )
                )
            self._own.adopt(known.catalogue)
            now = timeouts(core, known)
            core.prometheus.write(Changes(gauges=now, ended=tuple(timeouts(core, self.known))))
            for station in self._stations:
                station.listing.expose()

        await core.ledger.exchange(turn, adopt)

    def _warn_restart_needed(self, config: Config) -> None:
        """What is written differently now, and needs a new start: said once until it changes again."""
        old, new = ({**masked(one), "store": one.store} for one in (self._running, config))
        waiting = tuple(key for key in old if key != "mappings" and old[key] != new[key])
        if waiting and waiting != self._said:
            what = f"{', '.join(waiting)}: changed in the configuration; restart the exporter to use it"
            self._core.tell(LogMessage(what, warning=True))
        self._said = waiting


def _meaning(known: Mappings, station: SourcePipeline) -> tuple[Map, Fold]:
    pack = known.packs[station.desk.source]
    return mapper(pack, station.desk.target), folder(pack, station.desk.target)


def timeouts(core: Runtime, known: Mappings) -> dict[Series, Moment]:
    """What "stuck" means, as the mappings say it; so it is not kept."""
    at = int(core.clock.now() * 1000)
    said = process_timeouts({source: pack.process for source, pack in known.packs.items()})
    return {("platform_phase_timeout_seconds", (source, phase)): Moment(value, at) for source, phase, value in said}


def hashes(packs: Mapping[str, MappingPack]) -> dict[str, str]:
    """The hash of the mapping of each source."""
    return {source: pack.hash for source, pack in packs.items()}


def prints(entries: Sequence[Path]) -> Prints:
    """What tells one content of files from another without reading it; links are followed."""
    found: dict[Path, tuple[int, ...]] = {}
    for entry in entries:
        for path in matches(entry):
            try:
                stat = path.stat()
            except OSError:  # it left just now
                continue
            found[path] = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found
