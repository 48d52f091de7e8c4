"""The wiring of the web port to the rest of the exporter."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.app.assembly import Runtime, SourcePipeline
from exporter.app.health import Health
from exporter.app.mapping_views import Packs, explain, list_rules, list_unmapped, record_of
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
from exporter.web.routes import Reload, SiteContent
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import ResourceView, Sample, Setting

Pipelines = Mapping[tuple[str, str], SourcePipeline]


class WebPort:
    """The queries and handlers of the web port. ``packs`` returns the mappings in use."""

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
        status = SourceStatusBoard({key: SOURCES[key[1]].api for key in places}, apis, runtime.clock.now())
        self._activity = ActivityLog(status, lambda *key: _resource_name(places, *key))
        self._templates = UnmappedTemplates(runtime.clock.now)
        self.queries = Queries(__version__, self._activity, self._backends(config, runtime, places, packs))

    def _backends(self, config: Config, runtime: Runtime, pipelines: Pipelines, packs: Callable[[], Packs]) -> Backends:
        registry, sources = runtime.registry, {source for _, source in pipelines}

        def used_packs() -> Packs:
            return {source: pack for source, pack in packs().items() if source in sources}

        return Backends(
            resources=lambda target, source: list(_list_resources(pipelines, target, source)),
            resource=lambda target, source, id_: _find_resource(pipelines, target, source, id_),
            series=lambda *key: [Sample(series=text, value=value) for text, value in registry.of(*key)],
            rules=lambda: list_rules(used_packs()),
            explain=lambda source, text: explain(used_packs(), source, text),
            record=record_of,
            unmapped=lambda: list(list_unmapped(used_packs(), self._templates.most_frequent())),
            settings=lambda: list(settings(config)),
            unhealthy=self._health.unhealthy,
            unready=self._health.unready,
            now=runtime.clock.now,
        )

    def handlers(self, own: SelfMetrics, reload: Reload) -> SiteContent:
        """Return what the web port answers with."""
        exposition = self._exposition
        return SiteContent(
            metrics=lambda form, gzip: exposition.render(form, gzip, own.render(form)),
            scraped=exposition.scraped,
            unhealthy=self._health.unhealthy,
            unready=self._health.unready,
            queries=self.queries,
            reload=reload if self._config.web.enable_reload else None,
        )

    def report(self, event: SelfEvent) -> None:
        """Collect a telemetry event."""
        self._health.report(event)
        self._activity.report(event)
        self._templates.record(event)


def settings(config: Config) -> Iterator[Setting]:
    """Yield every value of a configuration, secrets masked, with its origin."""
    tree = masked(config)
    for path in leaves(tree):
        value: Any = tree
        for key in path:
            value = value[key]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield Setting(key=dotted(path), value=text, origin=config.origins.get(dotted(path), "default"))


def _resource_name(pipelines: Pipelines, target: str, source: str, id_: str) -> str:
    """Return the name of a resource; its id where none is known."""
    pipeline = pipelines.get((target, source))
    known = pipeline.inventory.resources.get(id_) if pipeline else None
    return known.name or id_ if known else id_


def _list_resources(pipelines: Pipelines, target: str, source: str) -> Iterator[ResourceView]:
    """Yield the known resources of a source: open ones first, then the newest."""
    pipeline = pipelines.get((target, source))
    known = [*pipeline.inventory.resources.values()] if pipeline else []
    for one in sorted(known, key=lambda one: (one.life == "ended", -(one.created or 0), one.name)):
        yield _view(pipelines[target, source], one)


def _find_resource(pipelines: Pipelines, target: str, source: str, id_: str) -> ResourceView | None:
    pipeline = pipelines.get((target, source))
    known = pipeline.inventory.resources.get(id_) if pipeline else None
    return _view(pipeline, known) if pipeline and known else None


def _view(pipeline: SourcePipeline, one: Resource) -> ResourceView:
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
