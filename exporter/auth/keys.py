"""Keys that sign requests, and readers of the answers that hold them.

Nothing here asks a vendor or shows a key.
"""

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx2
import msgspec

from exporter.auth.login import Login, sendable
from exporter.common.secret import Secret
from exporter.model.errors import NOT_JSON
from exporter.model.events import Millis


class Keys(msgspec.Struct, frozen=True):
    """What signs a request until ``expires`` (Unix ms; None: no end is known).

    ``id`` and ``secret`` are empty where the login gives a token alone.
    """

    id: str = ""
    secret: str = ""
    token: str = ""
    expires: Millis | None = None

    def __repr__(self) -> str:
        return "Keys(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


KeyExchange = Generator[httpx2.Request, httpx2.Response, Keys]
"""A conversation that returns keys: it yields a request and is sent the answer, whose body has been read."""


class LoginMethod(NamedTuple):
    """How one login obtains its keys and puts them on a request.

    It is stated without waiting. ``account`` names whose budget is used, ``place`` names in messages whom the login
    asks, and ``secrets`` are what it asks with. A refused login is not repeated for ``refusal_wait`` seconds, or until
    one of the secrets changes.
    """

    account: str
    place: str
    obtain: Callable[[], KeyExchange]
    sign: Callable[[httpx2.Request, Keys, float], None]
    secrets: tuple[Secret, ...] = ()
    refusal_wait: float = 60.0


def own_keys(login: Login, names: tuple[str, str], sign: Callable[[httpx2.Request, Keys, float], None]) -> LoginMethod:
    """Return the login with configured access keys.

    They are permanent or, with a security token, temporary. ``names`` are the configuration keys of id and secret. The
    keys are read again when they change.
    """
    id_name, secret_name = names

    def obtain() -> KeyExchange:
        yield from ()  # asks nobody
        token = login.reveal("security_token", header=True) if "security_token" in login.values else ""
        return Keys(login.reveal(id_name, header=True), login.reveal(secret_name, header=True), token)

    return LoginMethod(
        login.reveal(id_name, header=True), "credentials", obtain, sign, tuple(login.values.values()), 0.0
    )


def read_keys(found: object, names: Sequence[Sequence[str]]) -> Keys | None:
    """Read keys out of a JSON object.

    None if one is missing or cannot be sent in a header. ``names`` are the field names of id, secret, token and end.
    """
    if not isinstance(found, dict):
        return None
    key_id, secret, token, end = (
        next((text for name in field if (text := _text(found.get(name)))), "") for field in names
    )
    expires = read_time(end)
    fit = expires is not None and sendable(key_id) and sendable(secret) and sendable(token)
    return Keys(key_id, secret, token, expires) if fit else None


def _text(value: object) -> str:
    """Return a text as it is and everything else as ""."""
    return value if isinstance(value, str) else ""


def read_time(text: str) -> Millis | None:
    """Read an ISO 8601 time as Unix ms; None where it is none.

    It is in UTC unless it says otherwise.
    """
    try:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def read_json(body: bytes) -> object:
    """Decode a body; None where it cannot be read as JSON, for whatever reason.

    Never raises.
    """
    try:
        return msgspec.json.decode(body)
    except NOT_JSON:
        return None
