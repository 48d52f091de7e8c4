"""The authorities of a target's ``ca_file`` are trusted for that target, beside the system's."""

import asyncio
import ssl
from pathlib import Path

import httpx2
import pytest

from exporter.app.accounts import open_transport
from exporter.config import Target, load
from exporter.model.errors import ConfigError
from tests.support.collector import Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def configured(folder: Path, ca_file: Path | None) -> Target:
    path = folder / "exporter.yaml"
    line = f"    ca_file: {ca_file}\n" if ca_file else ""
    path.write_text(
        "targets:\n  - name: private\n    platform: huaweicloud\n    region: r-1\n"
        f"{line}    credentials: {{metadata: true}}\n    sources: {{dws: {{}}}}\nstore: ':memory:'\n"
    )
    return load(path, environ={}, sets=[]).targets[0]


async def status_of(target: Target, url: str) -> int:
    transport = open_transport(target)
    try:
        request = httpx2.Request("GET", url, extensions={"timeout": {"connect": 5.0, "read": 5.0}})
        return (await transport.handle_async_request(request)).status_code
    finally:
        await transport.aclose()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()


async def test_a_private_authority_is_trusted_where_it_is_configured(
    tmp_path: Path, certificates: Certificates
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificates.server, certificates.server_key)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await status_of(configured(tmp_path, certificates.authority), url) == 204
        with pytest.raises(httpx2.ConnectError):
            await status_of(configured(tmp_path, None), url)


def test_a_ca_file_that_went_bad_names_target_and_file(tmp_path: Path, certificates: Certificates) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(certificates.authority.read_bytes())
    target = configured(tmp_path, path)
    path.unlink()
    with pytest.raises(ConfigError) as caught:
        open_transport(target)
    assert str(caught.value) == f"private: ca_file: {path}: cannot be used (No such file or directory)"
