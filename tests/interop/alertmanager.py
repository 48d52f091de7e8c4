"""A current Alertmanager that sends every message to a webhook, a Slack channel and a mailbox on loopback."""

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.interop.programs import answers, built, fetch
from tests.support.processes import Child, closing, free_port, until

SENDER, READER = "alertmanager@example.com", "oncall@example.com"


class Inbox(NamedTuple):
    """Everything received so far, each kind in its order."""

    webhook: list[Any]
    slack: list[Any]
    mails: list[EmailMessage]


class Receivers(NamedTuple):
    """Where messages are received: addresses of the HTTP server and the mail server, and what came."""

    url: str
    smarthost: str
    inbox: Inbox


class AlertmanagerProcess(Child):
    """A running server. ``url`` is its address."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "alertmanager.json").write_text(json.dumps(config))
        places = (f"--config.file={folder}/alertmanager.json", f"--storage.path={folder}/alertmanager")
        listens = (f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn")
        super().__init__(folder, "alertmanager", (str(built("alertmanager")), *places, *listens))
        until(answers(f"{self.url}/-/ready"), "Alertmanager is ready")

    def version(self) -> str:
        """Return the version that it gives itself."""
        return str(fetch(f"{self.url}/api/v2/status")["versionInfo"]["version"])


class _HttpHandler(BaseHTTPRequestHandler):
    """Keeps the JSON of each request by its path: ``/webhook`` or ``/slack``."""

    inbox: Inbox

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        {"/webhook": self.inbox.webhook, "/slack": self.inbox.slack}[self.path].append(body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""


class _SmtpHandler(socketserver.StreamRequestHandler):
    """Takes each mail of a session; knows what a session without TLS and login needs (RFC 5321)."""

    inbox: Inbox

    def handle(self) -> None:
        self._reply("220 mail.example.com")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self._reply("354 go on")
                self.inbox.mails.append(message_from_bytes(b"".join(self._lines()), policy=policy.default))
            self._reply("221 bye" if command == b"QUIT" else "250 ok")
            if command == b"QUIT":
                return

    def _reply(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines of a mail up to the single dot; a dot before another at the start is not part of it."""
        for line in self.rfile:
            if line == b".\r\n":
                return
            yield line.removeprefix(b".")


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Serve until the end of the block."""
    inbox = Inbox([], [], [])
    kept = {"inbox": inbox}
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_HttpHandler,), kept))
    mail = socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("Handler", (_SmtpHandler,), kept))
    mail.daemon_threads = True
    for server in (http, mail):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Receivers(f"http://127.0.0.1:{http.server_port}", f"127.0.0.1:{mail.server_address[1]}", inbox)
    finally:
        for server in (http, mail):
            server.shutdown()
            server.server_close()


@contextmanager
def alertmanager(folder: Path, config: Mapping[str, Any], to: Receivers) -> Iterator[AlertmanagerProcess]:
    """Run Alertmanager with a configuration whose only receiver sends to Slack.

    It waits less than the configuration says, sends to ``to``, and there to a webhook and a mailbox too.
    """
    (receiver,) = config["receivers"]
    slack = [{**one, "api_url": f"{to.url}/slack"} for one in receiver["slack_configs"]]
    mail = {"to": READER, "from": SENDER, "smarthost": to.smarthost, "require_tls": False, "send_resolved": True}
    everyone = {
        "name": receiver["name"],
        "webhook_configs": [{"url": f"{to.url}/webhook"}],
        "slack_configs": slack,
        "email_configs": [mail],
    }
    sooner = {**config["route"], "group_wait": "8s", "group_interval": "2s"}
    with closing(AlertmanagerProcess(folder, {"route": sooner, "receivers": [everyone]})) as running:
        yield running
