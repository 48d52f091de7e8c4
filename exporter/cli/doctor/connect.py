"""Tries the way to an API host as far as it goes without asking anything: name, proxy, connection, TLS."""

import asyncio
import os
import socket
import ssl
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohappyeyeballs

AHEAD = 0.25  # seconds that one address of a host is ahead of the next, as in aiohttp
_PORTS = {"http": 80, "https": 443}


class Reached(NamedTuple):
    """A connection that was made, and closed again. ``tls`` is "" and ``ends`` (Unix s) is ``None`` where there is no TLS
    to look at. ``proxy`` is the address of the one in use: it was connected to, and nothing behind it."""

    host: str
    address: str
    seconds: float
    tls: str = ""
    ends: float | None = None
    proxy: str = ""


class Unreached(NamedTuple):
    """How far the way to a host goes. ``stop`` says where it ends, ``said`` is the machine's own word for it."""

    host: str
    stop: str  # name, connection, time or tls
    said: str
    proxy: str = ""


async def connect(url: str, proxy: str, seconds: float) -> Reached | Unreached:
    """Tries to come to the host of ``url`` or, where there is one, to the proxy, in at most so many seconds."""
    parts = urlsplit(proxy or url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            made = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=AHEAD, interleave=1)
            _, writer = await asyncio.open_connection(sock=made, ssl=tls, server_hostname=host if tls else None)
    except (OSError, UnicodeError) as error:
        return Unreached(place, _stop(error), _said(error, seconds), proxy)
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


def _said(error: OSError | UnicodeError, seconds: float) -> str:
    if isinstance(error, UnicodeError):
        return "not a name of a host"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no TLS").replace("_", " ").lower()
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"not within {seconds:.3g} s"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # a loop's own text repeats the address
    return error.strerror or str(error)
