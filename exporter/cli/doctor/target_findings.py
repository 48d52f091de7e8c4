"""Words what was found of a target: connections, credentials, clock, project. Pure: values in, findings out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from exporter.cli.doctor.connect import Reached, Unreached
from exporter.cli.doctor.findings import Finding, FindingPlace, refusal
from exporter.common.text import ago, exact
from exporter.model.errors import KeysRefused, SourceError

CLOSE, NEAR, REFUSED = 2.0, 60.0, 900.0  # seconds between two clocks: not told apart, harmless, signatures are refused
FORMS = {
    "keys": "access keys",
    "password": "an IAM token for user, password and domain",
    "metadata": "the agency of this machine",
    "pod_identity": "the identity of this pod",
    "oidc": "an OIDC token",
    "ecs_role": "the RAM role of this machine",
}


class KeysStatus(NamedTuple):
    """The credentials of a target: their form, where each value comes from, whether they were ``accepted`` (``None``:
    nobody said), and when they end (Unix s). ``temporary`` ones end although nobody says when."""

    form: str
    origins: Mapping[str, str]
    accepted: bool | None
    expires: float | None = None
    temporary: bool = False


def connection(place: FindingPlace, api: str, url: str, found: Reached | Unreached) -> Finding:
    """The way to a host."""
    through = f"the proxy {found.proxy}" if found.proxy else url
    if isinstance(found, Reached):
        until = f", certificate until {datetime.fromtimestamp(found.ends, UTC):%Y-%m-%d}" if found.ends else ""
        tls = f", {found.tls}{until}" if found.tls else ""
        text = f"{api}: {url}{f' through {through}' if found.proxy else ''}: connected to {found.address} in {found.seconds * 1000:.0f} ms{tls}"
        values = {"address": found.address, "seconds": found.seconds, "tls": found.tls, "certificate_ends": found.ends}
        return place.found("connection", "ok", text, api=api, url=url, proxy=found.proxy, **values)
    scheme = url.partition(":")[0].upper()
    key = f"{scheme}_PROXY" if found.proxy else f"endpoints.{api}"
    said = {
        "name": f"{found.host} has no address ({found.said}); correct {key} or region, or see this machine's DNS",
        "connection": f"cannot connect to {found.host} ({found.said}); check {key}, routes and firewalls",
        "time": f"no connection to {found.host} ({found.said}); check {key}, routes, firewalls and {scheme}_PROXY",
        "tls": f"TLS with {found.host} failed ({found.said}); check {key}, its certificate and SSL_CERT_FILE",
    }[found.stop]
    return place.found("connection", "failed", f"{api}: {through}: {said}", api=api, url=url, proxy=found.proxy)


def credentials(place: FindingPlace, keys: KeysStatus, refused: KeysRefused | None, now: float) -> Finding:
    """Whether a vendor takes who we are; ``now`` in Unix seconds."""
    origins = "; ".join(f"{key} from {origin}" for key, origin in keys.origins.items())
    what = f"{'temporary ' if keys.temporary else ''}{FORMS[keys.form]}{f' ({origins})' if origins else ''}"
    values = {"form": keys.form, "origins": dict(keys.origins), "accepted": keys.accepted, "expires": keys.expires}
    if refused is not None:
        return place.found(
            "credentials", "failed", f"{what}: {str(refused).removeprefix(f'{place.target}: ')}", **values
        )
    if keys.accepted is None:
        return place.found(
            "credentials", "skipped", f"{what}: found; no answer told whether they are accepted", **values
        )
    return place.found("credentials", "ok", f"{what}: accepted; {_end(keys, now)}", **values)


def _end(keys: KeysStatus, now: float) -> str:
    if keys.expires is not None:
        return f"they expire {ago(keys.expires, now)}, at {exact(keys.expires)}, and are renewed before"
    return "nobody tells when they expire" if keys.temporary else "they do not expire"


def clock(place: FindingPlace, skew: float | None) -> Finding:
    """How far apart the clocks are; ``skew`` is the vendor's minus ours, in seconds."""
    if skew is None:
        return place.found("clock", "skipped", "not compared: no answer had a Date header")
    off = abs(skew)
    if off <= CLOSE:
        return place.found("clock", "ok", "within 2 s of the vendor's", skew_seconds=skew)
    apart = f"{off:.0f} s {'behind' if skew > 0 else 'ahead of'} the vendor's; reads go by the vendor's"
    if off <= NEAR:
        return place.found("clock", "ok", apart, skew_seconds=skew)
    limit = f"{'are refused as they are more' if off > REFUSED else 'are refused if they are more'} than 15 minutes off"
    text = f"{apart}, but signatures by ours {limit}; set this machine's clock, for example by NTP"
    return place.found("clock", "failed" if off > REFUSED else "warning", text, skew_seconds=skew)


def project(place: FindingPlace, found: str | SourceError) -> Finding:
    """The project that was looked up."""
    if isinstance(found, SourceError):
        return refusal(place, "project", found)
    return place.found("project", "ok", f"{found}, looked up by the region; set project_id to save the call")
