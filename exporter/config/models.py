"""Every option of the configuration with its type and default, declared once; checks across values stand elsewhere.

Durations are seconds, rates requests per second. A key written without a value (``null``) has its default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from exporter.auth import Login
from exporter.config.settings import MergedSettings
from exporter.config.values import (
    Authorities,
    File,
    HostName,
    Interval,
    Lease,
    Listen,
    Many,
    Name,
    Number,
    Place,
    Prefix,
    Project,
    Rate,
    Region,
    Seconds,
    Share,
    Size,
    Text,
    Url,
    Zone,
    write_duration,
)
from exporter.model.errors import ConfigError
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.store import LEASE, parse_store
from exporter.store.postgresql.url import SCHEMES

Platform = Literal["huaweicloud", "alibabacloud"]
DEFAULT_STORE = "sqlite:///var/lib/platform-events-exporter/state.db"
_NO_STORE = "is no store that this version knows; write a path, sqlite:///path, postgresql://… or :memory:"


def _known_store(url: str) -> str:
    try:
        parse_store(url)
    except (ConfigError, ValueError) as error:
        is_database = url.partition("://")[0].lower() in SCHEMES  # its messages repeat nothing of the URL
        secret = not is_database and ("@" in url or "password" in url)
        raise ValueError(_NO_STORE if secret else str(error).removeprefix("store: ")) from None
    return url


class Section(BaseModel):
    """A section of the configuration. Unknown keys are refused, and no message of pydantic shows a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: item for key, item in data.items() if item is not None or key not in cls.model_fields}


class Filter(Section):
    """Chooses resources: one entry of every list that is given must match."""

    name: tuple[Text, ...] = ()
    """Globs over the resource's name."""
    status: tuple[Text, ...] = ()
    """The platform's own words for the state of a resource."""
    workspace: tuple[Number, ...] = ()
    """Workspace ids."""


class SourceOptions(Section):
    """How one source of a target is read."""

    poll_interval: Interval = 30.0
    """The shortest interval of an active resource; the budget decides between this and the longest."""
    max_poll_interval: Interval = Field(default_factory=lambda done: max(300.0, done.get("poll_interval", 0.0)))
    """The longest interval of an active resource, as the budget allows (default 5m, never less than poll_interval)."""
    discovery_interval: Interval = 60.0
    """The longest time between two listings of resources."""
    overlap: Seconds = 600.0
    """How far every read reaches back behind what is known completely."""
    reconcile: Interval = 21600.0
    """How often everything that is remembered is read again."""
    remember: Interval = Field(default_factory=lambda done: max(30 * 86400.0, done.get("overlap", 0.0)))
    """How long events are remembered, and how far back a read in full depth goes (default 30d)."""
    include: Filter = Filter()
    """Only these resources."""
    exclude: Filter = Filter()
    """Not these resources."""
    grace: Seconds = 900.0
    """How long a finished resource is still read, from when its end was first seen."""
    history: Literal["ignore", "count"] = "ignore"
    """Whether events from before the first contact count."""
    workspaces: tuple[Number, ...] = ()
    """Workspaces to list; none: those that the API lists by default."""
    event_timezone: Zone = "auto"
    """The zone of event times that name none: auto, an IANA name or an offset."""
    pod_events: StrictBool = False
    """Whether the events of pods that wait or have failed are read too."""
    sanity_checks: StrictBool = False
    """Whether the results of sanity checks are read too."""

    @field_validator("remember")
    @classmethod
    def _not_below_overlap(cls, seconds: float, done: ValidationInfo) -> float:
        least = done.data.get("overlap", 0.0)
        if seconds < least:
            raise ValueError(f"{write_duration(seconds)} is less than overlap; write {write_duration(least)} or more")
        return seconds

    @field_validator("max_poll_interval")
    @classmethod
    def _not_below(cls, seconds: float, done: ValidationInfo) -> float:
        least = done.data.get("poll_interval", 0.0)
        if seconds < least:
            raise ValueError(
                f"{write_duration(seconds)} is less than poll_interval; write {write_duration(least)} or more"
            )
        return seconds


Options = Annotated[SourceOptions, BeforeValidator(lambda given: {} if given is None else given)]


class Web(Section):
    """Where and how the web port answers."""

    listen: Listen = "0.0.0.0:10186"
    """Address and port."""
    config_file: File | None = None
    """TLS and basic authentication, in the form of the Prometheus exporter toolkit."""
    zero_hold: Seconds = 45.0
    """How long a new series is shown at 0 before it has its value."""
    enable_reload: StrictBool = False
    """Whether POST /-/reload loads the mappings again."""
    route_prefix: Prefix = ""
    """The path under which everything is served, for a proxy that passes it on."""
    hosts: tuple[HostName, ...] = ()
    """Names in the Host header that are answered, without ports; addresses always are. Empty: any name."""

    @property
    def address(self) -> tuple[str, int]:
        """Host ("" for all addresses) and port, as sockets take them."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Otlp(Section):
    """Where spans and log records are sent.

    What is left out comes from the variables OTEL_EXPORTER_OTLP_*, if they are set.
    """

    endpoint: Url | None = Field(None, examples=["http://collector:4318"])
    """The collector's address, without /v1/traces."""
    protocol: Literal["http/protobuf", "http/json"] | None = None
    """How it is spoken to (default http/protobuf)."""
    traces: StrictBool = True
    """Whether spans are sent."""
    logs: StrictBool = False
    """Whether every event is sent as a log record."""
    metrics: StrictBool = False
    """Whether the totals are pushed as well, for who has no scrape."""
    metrics_interval: Interval = 60.0
    """How often."""
    self: StrictBool = False
    """Whether spans of the exporter's own work are sent: each poll with its requests, its mapping and its commit."""
    headers: dict[str, SecretStr] = {}
    """Headers to send along."""
    headers_file: File | None = None
    """Headers to send along, one ``Name: value`` a line; read again when it changes."""
    compression: Literal["gzip", "none"] | None = None
    """How requests are packed (default gzip)."""
    timeout: Interval | None = None
    """How long an answer may take (default 10s)."""
    certificate: File | None = None
    """The authority that signed the receiver's certificate, in PEM form (default: those that the system trusts)."""
    client_certificate: File | None = None
    """Our own certificate, where the receiver asks for one."""
    client_key: File | None = None
    """Its key."""
    max_age: Seconds = 86400.0
    """How long what could not be sent is kept."""


class Record(Section):
    """Where raw answers of the vendors are kept, for ``replay``."""

    directory: Place = Field(examples=["/var/lib/platform-events-exporter/recorded"])
    """A directory; it is made if it is not there."""
    limit: Size = 100 * 2**20
    """How much is kept; the oldest answers leave first."""


class LogOptions(Section):
    """What the exporter tells on standard error; events on standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe that is told."""
    format: Literal["logfmt", "json"] = "logfmt"
    """One line a fact, in this form."""
    events: StrictBool = False
    """Whether every new event is a line of JSON on standard output."""


class WrittenTarget(Section):
    """An account at a platform, as it is written; the schema knows which keys fit which platform."""

    name: Name = Field(examples=["research"])
    """The label ``target`` of every metric."""
    platform: Platform = Field(examples=["huaweicloud"])
    """Whose APIs are asked."""
    region: Region = Field(examples=["cn-north-4"])
    """The vendor's id of the region."""
    project_id: Project | None = None
    """The project; without it, it is looked up by the region."""
    credentials: dict[str, Any] = {}
    """One form of login; every value also as ``<key>_file``. Without it, the vendor's environment variables."""
    endpoints: dict[str, Url] = {}
    """Other addresses for the APIs: private clouds, proxies, the simulator."""
    budget: dict[str, Rate] = {}
    """The most requests to an API host."""
    budget_share: Share = 0.8
    """The part of each budget that reads and listings may use; the rest is left for logins and for you."""
    ca_file: Authorities | None = None
    """Authorities to trust beside the system's, in PEM form: for private clouds and proxies that open TLS."""
    max_answer: Size = 16 * 2**20
    """A larger answer is refused: it would take the memory of the process."""
    timeout: Interval = 30.0
    """How long a vendor may keep silent before a request is given up; a whole answer may take ten times as long."""
    sources: dict[str, Options] = {}
    """What is watched."""


class WrittenConfig(MergedSettings, Section):
    """The whole configuration as it is written."""

    model_config = SettingsConfigDict(validate_default=False, arbitrary_types_allowed=False)  # as in every section

    targets: tuple[WrittenTarget, ...] = Field((), json_schema_extra={"minItems": 1})
    """The accounts to watch."""
    mappings: tuple[Text, ...] = ()
    """Mapping files and globs, looked at before the built-in packs; a rule with the same id replaces theirs."""
    secrets_dir: Place | None = None
    """A directory whose files hold secrets: ``targets__0__credentials__secret_key`` is the secret key of the first target."""
    store: Annotated[Text, AfterValidator(_known_store), Field(repr=False)] = DEFAULT_STORE
    """Where the state is kept: a path, sqlite:///path, postgresql://user@host/database, or :memory:."""
    store_password_file: File | None = None
    """The password for postgresql://…; read again when it changes, at the next connection."""
    lease: Lease = LEASE
    """With postgresql://…: how long the leader may be silent before another replica takes over."""
    web: Web = Web()
    """The web port."""
    external_url: Url | None = Field(default=None, examples=["https://events.example.com"])
    """Where people reach the web port, with its prefix: the base of links to its pages, as in alerts."""
    otlp: Otlp | None = None
    """Sending to an OpenTelemetry collector; off without it."""
    log: LogOptions = LogOptions()
    """The exporter's own log."""
    record: Record | None = None
    """Keeping raw answers, without secrets; off without it."""
    series_ttl: Seconds = 86400.0
    """How long the series of a resource stay after it ended or vanished."""
    max_series: Many = 100_000
    """How many series of resources a metric may have; beyond them events count under the resource ``other``."""


class Target(WrittenTarget):
    """An account to watch, complete: default endpoints and budgets filled in, the login found.

    ``credentials`` is the login as it may be shown: file names and asterisks.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    login: Login
    """How the target signs in."""


class Config(WrittenConfig):
    """The whole configuration, checked; every option is declared once, in ``WrittenConfig`` and its sections."""

    model_config = SettingsConfigDict(arbitrary_types_allowed=True)

    targets: tuple[Target, ...]
    """The accounts to watch, complete."""
    mapping_files: tuple[Path, ...] = ()
    """Existing mapping files, in their order of precedence."""
    mapping_entries: tuple[Path, ...] = ()
    """The paths and globs that named the mapping files."""
    origins: Mapping[str, str] = {}
    """For each dotted path where its value comes from: ``file:line``, ``environment NAME``, ``--set`` or ``default``."""
    warnings: tuple[str, ...] = ()
    """What is understood and yet may surprise, as whole lines."""
    otlp_endpoints: Mapping[str, OtlpEndpoint] = {}
    """By signal how it is sent by OTLP."""
    otlp_self: OtlpEndpoint | None = None
    """How spans of the exporter's own work are sent, if they are."""
    otlp_attributes: Mapping[str, str] = {}
    """Resource attributes that the environment gives what is sent."""
