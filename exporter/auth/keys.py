"""Keys that sign requests, and how a vendor's answer is read into them; asks nothing and never shows a key."""

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import msgspec

from exporter.auth.login import Login, sendable
from exporter.common.secret import Secret
from exporter.model.events import Millis


class Keys(msgspec.Struct, frozen=True):
    """What signs a request until ``expires`` (None: for ever). ``id`` and ``secret`` are empty where a token is all."""

    id: str = ""
    secret: str = ""
    token: str = ""
    expires: Millis | None = None

    def __repr__(self) -> str:
        return "Keys(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


Asking = Generator[httpx.Request, httpx.Response, Keys]
"""A conversation that ends in keys: it yields a request and is sent the answer, read to its end."""


class LoginMethod(NamedTuple):
    """How one login comes by its keys and puts them on a request, stated without waiting.

    ``place`` names in messages whom it asks; ``secrets`` are what it asks with. A refusal stands for ``patience``
    seconds, or until one of the secrets changes.
    """

    account: str
    place: str
    obtain: Callable[[], Asking]
    sign: Callable[[httpx.Request, Keys, float], None]
    secrets: tuple[Secret, ...] = ()
    patience: float = 60.0


def own_keys(login: Login, names: tuple[str, str], sign: Callable[[httpx.Request, Keys, float], None]) -> LoginMethod:
    """Access keys that the user wrote down, permanent or (with a security token) temporary; read again when they change.

    ``names`` are the configuration keys of id and secret.
    """
    id_name, secret_name = names

    def obtain() -> Asking:
        yield from ()  # asks nobody
        token = login.reveal("security_token", header=True) if "security_token" in login.values else ""
        return Keys(login.reveal(id_name, header=True), login.reveal(secret_name, header=True), token)

    return LoginMethod(
        login.reveal(id_name, header=True), "credentials", obtain, sign, tuple(login.values.values()), 0.0
    )


def read_keys(found: object, names: Sequence[Sequence[str]]) -> Keys | None:
    """Keys out of a JSON object; ``names`` are the field names of id, secret, token and end. None if one is missing."""
    if not isinstance(found, dict):
        return None
    key_id, secret, token, end = (next((str(found[name]) for name in field if found.get(name)), "") for field in names)
    expires = read_time(end)
    fit = expires is not None and sendable(key_id) and sendable(secret) and sendable(token)
    return Keys(key_id, secret, token, expires) if fit else None


def read_time(text: str) -> Millis | None:
    """An ISO 8601 time (UTC unless it says otherwise) as Unix ms; None where it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def read_json(body: bytes) -> object:
    """A decoded body; None where it is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
