"""The table of all sources: the name in the configuration, the platform, and how to make the source."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from exporter.model.events import Event, Millis, Request, Resource
from exporter.model.protocols import ReadStages, Source
from exporter.sources import (
    dws,
    dws_alarm,
    modelarts_notebook,
    modelarts_pool,
    modelarts_pool_job,
    modelarts_scheduled,
)
from exporter.sources.decoding import SampleRecord
from exporter.sources.modelarts_service import events as service_events
from exporter.sources.modelarts_service import services
from exporter.sources.modelarts_service_v2 import events as service_v2_events
from exporter.sources.modelarts_service_v2 import services as services_v2
from exporter.sources.modelarts_training import events as training_events
from exporter.sources.modelarts_training import jobs
from exporter.sources.modelarts_training import stages as training_stages
from exporter.sources.pai_dlc import events as dlc_events
from exporter.sources.pai_dlc import stages as dlc_stages
from exporter.sources.pai_dsw import events as dsw_events
from exporter.sources.pai_dsw import sessions as dsw_sessions
from exporter.sources.pai_eas import events as eas_events
from exporter.sources.pai_eas import services as eas_services
from exporter.sources.scope import SourceScope

COMMON_FIELDS = frozenset({"severity", "reason", "text", "resource"})


def _no_probes(resource: Resource, scope: SourceScope, now: Millis) -> dict[str, Request]:
    return {}


class Kind(NamedTuple):
    """A row of the table.

    ``resource`` is the unit of a watch, such as a job or a pool; "" where the API is project-wide, whose listing holds
    what ``lists`` says. ``fields`` are the names that a mapping may match in ``when``. ``statuses`` are the vendor's
    own words for the states of its resources. ``record`` makes an event of one raw vendor record and a resource id, or
    raises ValueError. ``sample_record`` makes such a record of a text. ``options`` are configuration keys of this
    source alone. ``stages`` returns, for a source that was made, what reads the vendor's own record of a resource.
    ``details`` are the options by which that record holds details that need permissions of their own; ``probes``
    makes a request for each of them, by its name, whose answer says whether it may be read. ``hints`` are fields of
    its listing that change when something happens: they call for a read. ``zoneless`` says which
    of its times name no zone, where ``event_timezone`` is an option. ``requests`` is how many a usual read takes.
    """

    make: Callable[[SourceScope], Source]
    platform: str
    api: str
    resource: str
    fields: frozenset[str]
    statuses: tuple[str, ...]
    record: Callable[[Any, str], Event]
    sample_record: SampleRecord
    options: frozenset[str] = frozenset()
    stages: Callable[[Any], ReadStages] | None = None
    details: frozenset[str] = frozenset()
    probes: Callable[[Resource, SourceScope, Millis], dict[str, Request]] = _no_probes
    hints: tuple[str, ...] = ()
    lists: str = "resource"
    zoneless: str = "they"
    requests: int = 1


SOURCES: dict[str, Kind] = {
    "modelarts_training": Kind(
        make=training_events.ModelArtsTraining,
        platform="huaweicloud",
        api="modelarts",
        resource="job",
        fields=COMMON_FIELDS | training_events.FIELDS,
        statuses=jobs.STATUSES,
        hints=jobs.HINTS,
        record=training_events.parse_record,
        sample_record=training_events.sample_record,
        options=frozenset({"workspaces"}),
        stages=lambda _: training_stages.training_stages,
    ),
    "modelarts_pool": Kind(
        make=modelarts_pool.ModelArtsPool,
        platform="huaweicloud",
        api="modelarts",
        resource="pool",
        fields=COMMON_FIELDS | modelarts_pool.FIELDS,
        statuses=modelarts_pool.STATUSES,
        hints=modelarts_pool.HINTS,
        record=modelarts_pool.parse_record,
        sample_record=modelarts_pool.sample_record,
        options=frozenset({"workspaces"}),
    ),
    "modelarts_service": Kind(
        make=service_events.ModelArtsService,
        platform="huaweicloud",
        api="modelarts",
        resource="service",
        fields=COMMON_FIELDS | service_events.FIELDS,
        statuses=services.STATUSES,
        hints=services.HINTS,
        record=service_events.parse_record,
        sample_record=service_events.sample_record,
        options=frozenset({"workspaces"}),
    ),
    "modelarts_service_v2": Kind(
        make=service_v2_events.ModelArtsServiceV2,
        platform="huaweicloud",
        api="modelarts",
        resource="service",
        fields=COMMON_FIELDS | service_v2_events.FIELDS,
        statuses=services_v2.STATUSES,
        hints=services_v2.HINTS,
        record=service_v2_events.parse_record,
        sample_record=service_v2_events.sample_record,
        options=frozenset({"workspaces", "event_timezone"}),
        zoneless="those of autoscaling",
        requests=4,  # with one deployment
    ),
    "modelarts_notebook": Kind(
        make=modelarts_notebook.ModelArtsNotebook,
        platform="huaweicloud",
        api="modelarts",
        resource="",
        fields=COMMON_FIELDS | modelarts_notebook.FIELDS,
        statuses=modelarts_notebook.STATUSES,
        hints=modelarts_notebook.HINTS,
        record=modelarts_notebook.parse_record,
        sample_record=modelarts_notebook.sample_record,
        lists="notebook",
        options=frozenset({"workspaces"}),
    ),
    "modelarts_scheduled": Kind(
        make=modelarts_scheduled.ModelArtsScheduled,
        platform="huaweicloud",
        api="modelarts",
        resource="",
        fields=COMMON_FIELDS | modelarts_scheduled.FIELDS,
        statuses=modelarts_scheduled.STATUSES,
        hints=modelarts_scheduled.HINTS,
        record=modelarts_scheduled.parse_record,
        sample_record=modelarts_scheduled.sample_record,
        lists="scheduled event",
        options=frozenset({"workspaces"}),
    ),
    "modelarts_pool_job": Kind(
        make=modelarts_pool_job.ModelArtsPoolJob,
        platform="huaweicloud",
        api="modelarts",
        resource="",
        fields=COMMON_FIELDS | modelarts_pool_job.FIELDS,
        statuses=modelarts_pool_job.STATUSES,
        hints=modelarts_pool_job.HINTS,
        record=modelarts_pool_job.parse_record,
        sample_record=modelarts_pool_job.sample_record,
        lists="pool job",
    ),
    "dws": Kind(
        make=dws.Dws,
        platform="huaweicloud",
        api="dws",
        resource="",
        fields=COMMON_FIELDS | dws.FIELDS,
        statuses=dws.STATUSES,
        hints=dws.HINTS,
        record=dws.parse_record,
        sample_record=dws.sample_record,
        lists="cluster",
    ),
    "dws_alarm": Kind(
        make=dws_alarm.DwsAlarm,
        platform="huaweicloud",
        api="dws",
        resource="",
        fields=COMMON_FIELDS | dws_alarm.FIELDS,
        statuses=dws_alarm.STATUSES,
        hints=dws_alarm.HINTS,
        record=dws_alarm.parse_record,
        sample_record=dws_alarm.sample_record,
        lists="cluster",
    ),
    "pai_dlc": Kind(
        make=dlc_events.PaiDlc,
        platform="alibabacloud",
        api="pai_dlc",
        resource="job",
        fields=COMMON_FIELDS | dlc_events.FIELDS,
        statuses=dlc_events.STATUSES,
        hints=dlc_events.HINTS,
        record=dlc_events.parse_record,
        sample_record=dlc_events.sample_record,
        options=frozenset({"workspaces", "event_timezone"}) | dlc_stages.OPTIONS,
        stages=attrgetter("read_stages"),
        details=dlc_stages.OPTIONS,
        probes=dlc_stages.probes,
    ),
    "pai_eas": Kind(
        make=eas_events.PaiEas,
        platform="alibabacloud",
        api="pai_eas",
        resource="service",
        fields=COMMON_FIELDS | eas_events.FIELDS,
        statuses=eas_services.STATUSES,
        hints=eas_services.HINTS,
        record=eas_events.parse_record,
        sample_record=eas_events.sample_record,
        options=frozenset({"workspaces"}),
    ),
    "pai_dsw": Kind(
        make=dsw_events.PaiDsw,
        platform="alibabacloud",
        api="pai_dsw",
        resource="instance",
        fields=COMMON_FIELDS | dsw_events.FIELDS,
        statuses=dsw_events.STATUSES,
        hints=dsw_events.HINTS,
        record=dsw_events.parse_record,
        sample_record=dsw_events.sample_record,
        options=frozenset({"workspaces", "event_timezone"}),
        stages=lambda _: dsw_sessions.dsw_stages,
    ),
}
