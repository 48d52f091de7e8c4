"""Proxies as the environment names them.

The variables are HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. NO_PROXY is a list of names,
suffixes, addresses, networks (``10.0.0.0/8``) and ``*``, each with an optional port, as curl, Go and Kubernetes read
it. The standard library and httpx2 know no networks, so neither is asked.
"""

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple

import httpx2

from exporter.model.errors import ConfigError

_PORTS = {"http": 80, "https": 443}
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxy(NamedTuple):
    """A proxy, and the environment variable that names it."""

    address: httpx2.Proxy
    variable: str


class _Exception(NamedTuple):
    """One entry of NO_PROXY.

    ``name`` is "" for every host, ``port`` is ``None`` for every port.
    """

    name: str
    network: _Network | None
    port: int | None

    def covers(self, host: str, address: _Address | None, port: int | None) -> bool:
        """Return whether a host and port are meant.

        ``address`` is set where the host is written as one.
        """
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        return not self.name or host == self.name or host.endswith(f".{self.name}")


class Proxies(NamedTuple):
    """The proxies of an environment by scheme, and the hosts without one."""

    by_scheme: Mapping[str, Proxy]
    exceptions: tuple[_Exception, ...]

    def find(self, url: httpx2.URL) -> Proxy | None:
        """Return the proxy for ``url``; None where it is reached directly."""
        proxy = self.by_scheme.get(url.scheme)
        if proxy is None:
            return None
        host, port = url.host.lower().rstrip("."), url.port or _PORTS.get(url.scheme)
        address = _address(host)
        return None if any(one.covers(host, address, port) for one in self.exceptions) else proxy


def read_proxies(environ: Mapping[str, str]) -> Proxies:
    """Read the variables.

    Raises ConfigError for a proxy that cannot be used, naming the variable, never its value.
    """
    found = {}
    for scheme in ("http", "https"):
        variable, text = _variable(environ, f"{scheme}_proxy")
        if not text:
            variable, text = _variable(environ, "all_proxy")
        if text:
            found[scheme] = Proxy(_parse(variable, text), variable)
    _, direct = _variable(environ, "no_proxy")
    return Proxies(found, tuple(_exception(entry) for entry in direct.replace(",", " ").split()))


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the variable in use and its value.

    The lower case goes first, even empty, as in curl.
    """
    if name in environ:
        return name, environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return name.upper(), ""  # in a CGI program a client's header Proxy would become HTTP_PROXY
    return name.upper(), environ.get(name.upper(), "").strip()


def _parse(variable: str, address: str) -> httpx2.Proxy:
    try:
        proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise ConfigError(f"{variable}: is no address of a proxy that can be used; write http://host:port")
    return proxy


def _exception(entry: str) -> _Exception:
    host, port = _split_port(entry.lower())
    try:
        return _Exception(host, ipaddress.ip_network(host.strip("[]"), strict=False), port)
    except ValueError:
        return _Exception(host.removeprefix("*").lstrip(".").rstrip("."), None, port)


def _split_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5 or (":" in host and not host.endswith("]")):
        return entry, None  # no port, or an IPv6 address without brackets
    return host, int(port)


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
