"""Puts together what the web port shows: the board that hears facts, and what others know when somebody looks."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.app.assembly import Runtime, SourcePipeline
from exporter.app.health import Health
from exporter.app.mapping_views import Packs, explained, record_of, rules, unmapped
from exporter.config import Config, masked
from exporter.config.problems import dotted
from exporter.config.show import leaves
from exporter.mapping.authoring.unmapped import Templates
from exporter.model.events import Resource
from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.sources import SOURCES
from exporter.web.activity import ActivityLog
from exporter.web.queries import Backends, Queries
from exporter.web.routes import Reload, Shown
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import ResourceView as Listed
from exporter.web.views import Sample, Setting

Stations = Mapping[tuple[str, str], SourcePipeline]


class WebPort:
    """What people see. ``packs`` gives the mappings in use."""

    def __init__(
        self,
        config: Config,
        core: Runtime,
        stations: Sequence[SourcePipeline],
        health: Health,
        packs: Callable[[], Packs],
    ) -> None:
        self._config, self._prometheus, self._health = config, core.prometheus, health
        places: Stations = {(one.desk.target, one.desk.source): one for one in stations}
        hosts = [(target.name, api) for target in config.targets for api in target.budget]
        standings = SourceStatusBoard({place: SOURCES[place[1]].api for place in places}, hosts, core.clock.now())
        self._board = ActivityLog(standings, lambda *place: _name(places, *place))
        self._templates = Templates(core.clock.now)
        prometheus, sources = core.prometheus, {source for _, source in places}

        def used() -> Packs:
            return {source: pack for source, pack in packs().items() if source in sources}

        behind = Backends(
            resources=lambda target, source: list(_resources(places, target, source)),
            resource=lambda target, source, id_: _resource(places, target, source, id_),
            series=lambda *place: [Sample(series=text, value=value) for text, value in prometheus.of(*place)],
            rules=lambda: rules(used()),
            explain=lambda source, text: explained(used(), source, text),
            record=record_of,
            unmapped=lambda: list(unmapped(used(), self._templates.listed())),
            settings=lambda: list(settings(config)),
            healthy=health.unhealthy,
            ready=health.unready,
            now=core.clock.now,
        )
        self.look = Queries(__version__, self._board, behind)

    def shown(self, own: SelfMetrics, reload: Reload) -> Shown:
        """What the web port answers with."""
        prometheus = self._prometheus
        return Shown(
            metrics=lambda form, gzip: prometheus.render(form, gzip, own.render(form)),
            scraped=prometheus.scraped,
            unhealthy=self._health.unhealthy,
            unready=self._health.unready,
            look=self.look,
            reload=reload if self._config.web.enable_reload else None,
        )

    def hear(self, fact: SelfEvent) -> None:
        """Takes in a fact."""
        self._health.hear(fact)
        self._board.tell(fact)
        self._templates.hear(fact)


def settings(config: Config) -> Iterator[Setting]:
    """Every value of a configuration, masked, and where it comes from."""
    tree = masked(config)
    for path in leaves(tree):
        value: Any = tree
        for step in path:
            value = value[step]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Setting(key=dotted(path), value=text, origin=config.origins.get(dotted(path), "default"))


def _name(places: Stations, target: str, source: str, id_: str) -> str:
    station = places.get((target, source))
    known = station.roster.resources.get(id_) if station else None
    return known.name or id_ if known else id_


def _resources(places: Stations, target: str, source: str) -> Iterator[Listed]:
    """Those that may still tell something first, then the newest."""
    station = places.get((target, source))
    known = [*station.roster.resources.values()] if station else []
    for one in sorted(known, key=lambda one: (one.life == "ended", -(one.created or 0), one.name)):
        yield _listed(places[target, source], one)


def _resource(places: Stations, target: str, source: str, id_: str) -> Listed | None:
    station = places.get((target, source))
    known = station.roster.resources.get(id_) if station else None
    return _listed(station, known) if station and known else None


def _listed(station: SourcePipeline, one: Resource) -> Listed:
    reached, desk = station.roster.reached(one.id), station.desk
    return Listed(
        target=desk.target,
        source=desk.source,
        id=one.id,
        name=one.name or one.id,
        workspace=one.workspace,
        kind=one.kind,
        spec=one.spec,
        status=one.status,
        life=one.life,
        created=_seconds(one.created),
        finished=_seconds(one.finished),
        complete=_seconds(reached.complete),
        closed=reached.closed,
    )


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000
