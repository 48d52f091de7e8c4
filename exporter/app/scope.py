"""What a source needs of the configuration of its target."""

from exporter.config import SourceOptions
from exporter.sources.scope import SourceScope


def source_scope(region: str, options: SourceOptions, workspaces: tuple[str, ...] | None = None) -> SourceScope:
    """Return what a source needs of its options; ``workspaces`` in place of those that are configured."""
    return SourceScope(
        region=region,
        workspaces=options.workspaces if workspaces is None else workspaces,
        event_timezone=options.event_timezone,
        pod_events=options.pod_events,
        sanity_checks=options.sanity_checks,
    )
