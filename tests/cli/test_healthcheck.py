"""The healthcheck over TLS: a certificate counts unless the caller, who has no authority at hand, says that it need not."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.heavy import needs
from tests.support.processes import ran


class Healthy(BaseHTTPRequestHandler):
    """Answers every question with ``ok``."""

    def do_GET(self) -> None:
        """One line."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate that nobody vouches for."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    made = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    openssl = needs("openssl", "openssl")
    subprocess.run([openssl, "req", *made, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_that_nobody_vouches_for_is_no_health(url: str) -> None:
    asked = ran("healthcheck", "--url", url)
    assert asked.returncode == 1
    assert "certificate verify failed" in asked.stderr
    assert asked.stderr.count("\n") == 1


def test_insecure_takes_any_certificate(url: str) -> None:
    asked = ran("healthcheck", "--ready", "--insecure", "--url", url)
    assert (asked.returncode, asked.stdout) == (0, "ok\n")
