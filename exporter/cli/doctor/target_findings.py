"""Makes the findings of a target from what was probed. Pure functions.

The findings are about connections, credentials, the clock and the project, and what the reads of its sources will cost.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from exporter.cli.doctor.connect import Reached, Unreached
from exporter.cli.doctor.findings import Finding, FindingPlace, error_finding
from exporter.cli.forecast import SECONDS_A_DAY, Forecast, forecast_reads
from exporter.common.text import ago, exact, lasting
from exporter.config import Target
from exporter.model.errors import KeysRefused, SourceError
from exporter.sources import SOURCES

CLOSE = 2.0  # seconds between two clocks that count as equal: a Date header has whole seconds
NEAR = 60.0  # seconds between two clocks that do no harm
REFUSED = 900.0  # seconds between two clocks beyond which the vendors refuse signatures
FORMS = {
    "keys": "access keys",
    "password": "an IAM token for user, password and domain",
    "metadata": "the agency of this machine",
    "pod_identity": "the identity of this pod",
    "oidc": "an OIDC token",
    "ecs_role": "the RAM role of this machine",
}


class KeysStatus(NamedTuple):
    """The credentials of a target.

    ``form`` is a key of ``FORMS``; ``origins`` says where each value comes from. ``accepted`` is ``None`` if no answer
    said. ``expires`` is Unix seconds; ``temporary`` credentials expire even if ``expires`` is ``None``.
    """

    form: str
    origins: Mapping[str, str]
    accepted: bool | None
    expires: float | None = None
    temporary: bool = False


def connection_finding(place: FindingPlace, api: str, url: str, found: Reached | Unreached) -> Finding:
    """Make the finding of a connection to a host."""
    through = f"the proxy {found.proxy}" if found.proxy else url
    if isinstance(found, Reached):
        until = f", certificate until {datetime.fromtimestamp(found.ends, UTC):%Y-%m-%d}" if found.ends else ""
        tls = f", {found.tls}{until}" if found.tls else ""
        text = f"{api}: {url}{f' through {through}' if found.proxy else ''}: connected to {found.address} in {found.seconds * 1000:.0f} ms{tls}"
        values = {"address": found.address, "seconds": found.seconds, "tls": found.tls, "certificate_ends": found.ends}
        return place.finding("connection", "ok", text, api=api, url=url, proxy=found.proxy, **values)
    scheme = url.partition(":")[0].upper()
    key = found.variable if found.proxy else f"endpoints.{api}"
    step = {
        "name": f"{found.host} has no address ({found.reason}); correct {key} or region, or see this machine's DNS",
        "connection": f"cannot connect to {found.host} ({found.reason}); check {key}, routes and firewalls",
        "time": f"no connection to {found.host} ({found.reason}); check {key}, routes, firewalls and {scheme}_PROXY",
        "tls": f"TLS with {found.host} failed ({found.reason}); check {key}, its certificate, and ca_file or SSL_CERT_FILE",
    }[found.stop]
    return place.finding("connection", "failed", f"{api}: {through}: {step}", api=api, url=url, proxy=found.proxy)


def credentials_finding(place: FindingPlace, keys: KeysStatus, refused: KeysRefused | None, now: float) -> Finding:
    """Make the finding of the credentials; ``now`` is Unix seconds."""
    origins = "; ".join(f"{key} from {origin}" for key, origin in keys.origins.items())
    what = f"{'temporary ' if keys.temporary else ''}{FORMS[keys.form]}{f' ({origins})' if origins else ''}"
    values = {"form": keys.form, "origins": dict(keys.origins), "accepted": keys.accepted, "expires": keys.expires}
    if refused is not None:
        return place.finding(
            "credentials", "failed", f"{what}: {str(refused).removeprefix(f'{place.target}: ')}", **values
        )
    if keys.accepted is None:
        return place.finding(
            "credentials", "skipped", f"{what}: found; no answer told whether they are accepted", **values
        )
    return place.finding("credentials", "ok", f"{what}: accepted; {_end(keys, now)}", **values)


def _end(keys: KeysStatus, now: float) -> str:
    if keys.expires is not None:
        return f"they expire {ago(keys.expires, now)}, at {exact(keys.expires)}, and are renewed before"
    return "nobody tells when they expire" if keys.temporary else "they do not expire"


def clock_finding(place: FindingPlace, skew: float | None) -> Finding:
    """Make the finding of the clocks; ``skew`` is the vendor's minus ours (s)."""
    if skew is None:
        return place.finding("clock", "skipped", "not compared: no answer had a Date header")
    off = abs(skew)
    if off <= CLOSE:
        return place.finding("clock", "ok", "within 2 s of the vendor's", skew_seconds=skew)
    apart = f"{off:.0f} s {'behind' if skew > 0 else 'ahead of'} the vendor's; reads go by the vendor's"
    if off <= NEAR:
        return place.finding("clock", "ok", apart, skew_seconds=skew)
    limit = f"{'are refused as they are more' if off > REFUSED else 'are refused if they are more'} than 15 minutes off"
    text = f"{apart}, but signatures by ours {limit}; set this machine's clock, for example by NTP"
    return place.finding("clock", "failed" if off > REFUSED else "warning", text, skew_seconds=skew)


def project_finding(place: FindingPlace, found: str | SourceError) -> Finding:
    """Make the finding of the project that was looked up."""
    if isinstance(found, SourceError):
        return error_finding(place, "project", found)
    return place.finding("project", "ok", f"{found}, looked up by the region; set project_id to save the call")


def forecast_findings(target: Target, found: Sequence[Finding]) -> dict[str, Finding]:
    """Make a finding by source of what its reads will cost, for the resources that were listed.

    A source whose listing failed is left out.
    """
    listings: dict[str, list[Finding]] = {}
    for finding in found:
        if finding.check == "listing":
            listings.setdefault(finding.source, []).append(finding)
    active = {
        source: sum(one.values["wanted_active"] for one in several)
        for source, several in listings.items()
        if all("wanted_active" in one.values for one in several)
    }
    partial = {source for source in active if not all(one.values["complete"] for one in listings[source])}
    return {
        source: _forecast_finding(
            FindingPlace(target.name, source), active[source], forecast, partial=source in partial
        )
        for source, forecast in forecast_reads(target, active).items()
    }


def _forecast_finding(place: FindingPlace, active: int, forecast: Forecast, *, partial: bool) -> Finding:
    calls, limit = round(forecast.calls * SECONDS_A_DAY), forecast.scheduled.limit
    several = bool(SOURCES[place.source].resource)
    number = f" for {'at least ' if partial else ''}{active:,} active" if active else " while none is active"
    text = f"about {calls:,} requests a day{number if several else ''}"
    if active or not several:
        limited = ", limited by poll_interval" if limit == "poll_interval" else f"; {limit}"
        text += f"; events are seen after about {lasting(max(1.0, forecast.lag))}{limited}"
    lag = round(forecast.lag, 1) if active or not several else None
    values = {"active": active, "calls_a_day": calls, "expected_lag_seconds": lag, "limited_by": limit}
    return place.finding("forecast", "warning" if forecast.scheduled.load > 1.0 else "ok", text, **values)
