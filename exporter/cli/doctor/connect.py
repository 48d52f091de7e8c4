"""Connects to the host of an API without a request: name, proxy, connection, TLS."""

import asyncio
import os
import socket
import ssl
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohappyeyeballs

from exporter.common.proxies import Proxy
from exporter.common.tls import make_tls_context

AHEAD = 0.25  # seconds before the next address of a host is tried as well, as in aiohttp
_PORTS = {"http": 80, "https": 443}


class Reached(NamedTuple):
    """A connection that was made and closed again.

    ``tls`` is empty and ``ends`` (Unix s, the end of the certificate) is ``None`` without TLS. ``proxy`` is the URL of
    the proxy in use: the connection was made to the proxy, and nothing behind it was tried.
    """

    host: str
    address: str
    seconds: float
    tls: str = ""
    ends: float | None = None
    proxy: str = ""


class Unreached(NamedTuple):
    """A connection that could not be made.

    ``stop`` is the step that failed; ``reason`` is the error of the operating system or of TLS, in its own words.
    ``variable`` is the environment variable that names the proxy.
    """

    host: str
    stop: str  # name, connection, time or tls
    reason: str
    proxy: str = ""
    variable: str = ""


async def connect(url: str, through: Proxy | None, seconds: float, ca_file: Path | None = None) -> Reached | Unreached:
    """Connect to the host of ``url``, or to the proxy if there is one.

    ``seconds`` limits the whole attempt. ``ca_file`` holds authorities to trust beside the system's.
    """
    proxy, variable = (str(through.address.url), through.variable) if through else ("", "")
    parts = urlsplit(proxy or url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    tls = make_tls_context(ca_file) if parts.scheme == "https" else None
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            made = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=AHEAD, interleave=1)
            _, writer = await asyncio.open_connection(sock=made, ssl=tls, server_hostname=host if tls else None)
    except (OSError, UnicodeError) as error:
        return Unreached(place, _stop(error), _reason(error, seconds), proxy, variable)
    try:
        return _reached(writer, place, time.perf_counter() - began, proxy)
    finally:
        writer.transport.abort()


def _reached(writer: asyncio.StreamWriter, place: str, seconds: float, proxy: str) -> Reached:
    address, secured = writer.get_extra_info("peername")[0], writer.get_extra_info("ssl_object")
    if secured is None:
        return Reached(place, address, seconds, proxy=proxy)
    ends = (secured.getpeercert() or {}).get("notAfter")
    until = ssl.cert_time_to_seconds(ends) if ends else None
    return Reached(place, address, seconds, secured.version() or "", until, proxy)


def _stop(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "time"
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "name" if isinstance(error, socket.gaierror | UnicodeError) else "connection"


def _reason(error: OSError | UnicodeError, seconds: float) -> str:
    if isinstance(error, UnicodeError):
        return "not a name of a host"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no TLS").replace("_", " ").lower()
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"not within {seconds:.3g} s"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # the event loop's own text repeats the address
    return error.strerror or str(error)
