"""A receiver of OTLP over real sockets in a thread of its own, for tests; and certificates for it."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from exporter.simulator.otlp_receiver import Receiver


@contextlib.contextmanager
def collecting(receiver: Receiver, port: int = 0, tls: dict[str, Any] | None = None) -> Iterator[str]:
    """Serves a receiver; gives its address. ``tls`` are uvicorn's settings for it."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by all it accepts
        config = uvicorn.Config(receiver.app(), log_config=None, access_log=False, lifespan="off", **(tls or {}))
        server = uvicorn.Server(config)
        started = threading.Event()

        async def serve() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve([listening]))
                while not server.started:
                    await asyncio.sleep(0.005)
                started.set()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert started.wait(20)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class Certificates:
    """An authority and what it signed: a certificate for 127.0.0.1, and one for a client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority, self._authority_key = folder / "authority.pem", folder / "authority.key"
        made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=an authority")
        self._openssl(*made, "-keyout", self._authority_key, "-out", self.authority)
        self.server, self.server_key = self._signed("server", "subjectAltName=IP:127.0.0.1")
        self.client, self.client_key = self._signed("client", "extendedKeyUsage=clientAuth")

    def serving(self) -> dict[str, Any]:
        """Uvicorn's settings for a server that wants to know who asks."""
        return {
            "ssl_certfile": str(self.server),
            "ssl_keyfile": str(self.server_key),
            "ssl_ca_certs": str(self.authority),
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
        }

    def _signed(self, name: str, extension: str) -> tuple[Path, Path]:
        certificate, key, wish = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", wish)
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(extension)
        signing = ("-CA", self.authority, "-CAkey", self._authority_key, "-CAcreateserial", "-days", "2")
        self._openssl("x509", "-req", "-in", wish, *signing, "-extfile", extensions, "-out", certificate)
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
