"""Puts together what the web port shows: recent activity, and the state of the parts at the time of a request."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.app.assembly import Runtime, SourcePipeline
from exporter.app.health import Health
from exporter.app.mapping_views import Packs, explain_text, rules, sample_record, unmapped
from exporter.config import Config, masked
from exporter.config.problems import dotted
from exporter.config.show import leaves
from exporter.mapping.authoring.unmapped import UnmappedTemplates
from exporter.model.events import Resource
from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.sources import SOURCES
from exporter.web.activity import ActivityLog
from exporter.web.queries import Backends, Queries
from exporter.web.routes import Reload, Shown
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import ResourceView, Sample, Setting

Pipelines = Mapping[tuple[str, str], SourcePipeline]


class WebPort:
    """The content of the web port. ``packs`` returns the mappings in use."""

    def __init__(
        self,
        config: Config,
        runtime: Runtime,
        pipelines: Sequence[SourcePipeline],
        health: Health,
        packs: Callable[[], Packs],
    ) -> None:
        self._config = config
        self._exposition = runtime.exposition
        self._health = health
        places: Pipelines = {pipeline.context.place: pipeline for pipeline in pipelines}
        apis = [(target.name, api) for target in config.targets for api in target.budget]
        status = SourceStatusBoard({place: SOURCES[place[1]].api for place in places}, apis, runtime.clock.now())
        self._activity = ActivityLog(status, lambda *place: _name(places, *place))
        self._templates = UnmappedTemplates(runtime.clock.now)
        backends = _backends(config, runtime, places, health, packs, self._templates)
        self.queries = Queries(__version__, self._activity, backends)

    def shown(self, own: SelfMetrics, reload: Reload) -> Shown:
        """Return what the web port answers with."""
        exposition = self._exposition
        return Shown(
            metrics=lambda form, gzip: exposition.render(form, gzip, own.render(form)),
            scraped=exposition.scraped,
            unhealthy=self._health.unhealthy,
            unready=self._health.unready,
            look=self.queries,
            reload=reload if self._config.web.enable_reload else None,
        )

    def hear(self, event: SelfEvent) -> None:
        """Take over what the exporter reports of itself."""
        self._health.hear(event)
        self._activity.tell(event)
        self._templates.record(event)


def _backends(
    config: Config,
    runtime: Runtime,
    places: Pipelines,
    health: Health,
    packs: Callable[[], Packs],
    templates: UnmappedTemplates,
) -> Backends:
    """Return the functions that answer the queries of the pages, each from the part that knows."""
    registry, sources = runtime.registry, {source for _, source in places}

    def used() -> Packs:
        return {source: pack for source, pack in packs().items() if source in sources}

    return Backends(
        resources=lambda target, source: list(_resources(places, target, source)),
        resource=lambda target, source, id_: _resource(places, target, source, id_),
        series=lambda *place: [Sample(series=text, value=value) for text, value in registry.of(*place)],
        rules=lambda: rules(used()),
        explain=lambda source, text: explain_text(used(), source, text),
        record=sample_record,
        unmapped=lambda: list(unmapped(used(), templates.most_frequent())),
        settings=lambda: list(settings(config)),
        healthy=health.unhealthy,
        ready=health.unready,
        now=runtime.clock.now,
    )


def settings(config: Config) -> Iterator[Setting]:
    """Yield every value of a configuration, masked, and where it comes from."""
    tree = masked(config)
    for path in leaves(tree):
        value: Any = tree
        for step in path:
            value = value[step]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Setting(key=dotted(path), value=text, origin=config.origins.get(dotted(path), "default"))


def _name(places: Pipelines, target: str, source: str, id_: str) -> str:
    """Return the name of a resource, or its id where no name is known."""
    pipeline = places.get((target, source))
    known = pipeline.inventory.resources.get(id_) if pipeline else None
    return known.name or id_ if known else id_


def _resources(places: Pipelines, target: str, source: str) -> Iterator[ResourceView]:
    """Yield resources that have not ended first, then the newest."""
    pipeline = places.get((target, source))
    known = [*pipeline.inventory.resources.values()] if pipeline else []
    for one in sorted(known, key=lambda one: (one.life == "ended", -(one.created or 0), one.name)):
        yield _resource_view(places[target, source], one)


def _resource(places: Pipelines, target: str, source: str, id_: str) -> ResourceView | None:
    pipeline = places.get((target, source))
    known = pipeline.inventory.resources.get(id_) if pipeline else None
    return _resource_view(pipeline, known) if pipeline and known else None


def _resource_view(pipeline: SourcePipeline, one: Resource) -> ResourceView:
    progress, context = pipeline.inventory.progress_of(one.id), pipeline.context
    return ResourceView(
        target=context.target,
        source=context.source,
        id=one.id,
        name=one.name or one.id,
        workspace=one.workspace,
        kind=one.kind,
        spec=one.spec,
        status=one.status,
        life=one.life,
        created=_seconds(one.created),
        finished=_seconds(one.finished),
        complete=_seconds(progress.complete),
        closed=progress.closed,
    )


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000
