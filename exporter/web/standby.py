"""What a replica that does not lead answers: one page that names the leader, and no API.

The site of a leader is shown only while the lease holds: another replica may show newer values from then on.
"""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web.api import BASE, error_response
from exporter.web.pages import make_templates

RETRY = "5"  # seconds


class ReplicaSite:
    """An application that answers as a leader while ``valid`` says so, and otherwise as a standby."""

    def __init__(self, standby: ASGIApp) -> None:
        self._standby = standby
        self._leading: tuple[ASGIApp, Callable[[], bool]] | None = None

    def lead(self, site: ASGIApp, valid: Callable[[], bool]) -> None:
        """Answer with the site of a leader, as long as ``valid`` returns true."""
        self._leading = (site, valid)

    def stand_by(self) -> None:
        """Answer as a standby from now on."""
        self._leading = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leading = self._leading
        site = leading[0] if leading is not None and leading[1]() else self._standby
        await site(scope, receive, send)


def standby_routes(lines: Callable[[], Sequence[str]], prefix: str) -> list[BaseRoute]:
    """Return the routes of a standby: a page at every path, and a refusal below the path of the API."""
    template = make_templates().get_template("standby.html")
    depth = prefix.count("/")

    async def page(request: Request) -> Response:
        raw = request.scope.get("raw_path") or request.url.path.encode()
        root = "../" * (raw.count(b"/") - depth - 1) or "./"
        return HTMLResponse(template.render(root=root, lines=lines()), headers={"Cache-Control": "no-store"})

    async def refuse(request: Request) -> Response:
        return error_response(" ".join(lines()), 503, {"Retry-After": RETRY})

    return [Route(f"{BASE}/{{path:path}}", refuse), Route("/{path:path}", page)]
