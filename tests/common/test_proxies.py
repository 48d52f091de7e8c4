"""The variables for proxies are read as curl, Go and Kubernetes read them."""

import ipaddress

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.proxies import read_proxies
from exporter.model.errors import ConfigError

ALL = {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "p:2"}


def variable(url: str, **environ: str) -> str | None:
    found = read_proxies(environ).find(httpx2.URL(url))
    return None if found is None else found.variable


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://a/", ALL, "HTTP_PROXY"),
        ("https://a/", ALL, "HTTPS_PROXY"),
        ("https://a/", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a/", {"ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ("http://a/", {"all_proxy": "p:1", "HTTP_PROXY": "http://p:1"}, "HTTP_PROXY"),
        ("http://a/", {"http_proxy": "p:1", "HTTP_PROXY": "http://p:1"}, "http_proxy"),
        ("http://a/", {"http_proxy": "", "HTTP_PROXY": "http://p:1"}, None),
        ("http://a/", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://a/", {"ALL_PROXY": "http://p:1", "HTTP_PROXY": "socks5://q", "http_proxy": "p:1"}, "http_proxy"),
        ("http://a/", {}, None),
    ],
)
def test_the_variable_in_use_is_known(url: str, environ: dict[str, str], expected: str | None) -> None:
    assert variable(url, **environ) == expected


@pytest.mark.parametrize(
    ("direct", "host", "is_direct"),
    [
        ("*", "far.test", True),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("10.0.0.0/8, 127.0.0.1/8", "127.9.9.9", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "ten.test", False),
        ("10.1.2.3/8", "10.200.0.1", True),
        ("fd00::/8", "[fd00::5]", True),
        ("fd00::/8", "[fe80::5]", False),
        ("::1", "[::1]", True),
        ("[::1]:8080", "[::1]:8080", True),
        ("[::1]:8080", "[::1]", False),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]", True),
        ("a.test", "a.test", True),
        ("A.Test", "b.a.TEST", True),
        ("a.test", "ba.test", False),
        (".a.test", "b.a.test", True),
        (".a.test", "a.test", True),
        ("*.a.test", "b.a.test", True),
        ("a.test.", "a.test", True),
        ("a.test:8443", "a.test:8443", True),
        ("a.test:8443", "a.test", False),
        ("a.test:80", "a.test", True),
        ("10.0.0.0/8:80", "10.0.0.1", True),
        ("x  a.test\tb.test", "a.test", True),
        ("", "a.test", False),
        (",, ,", "a.test", False),
        ("10.0.0.0/99,///,[,:80x", "10.0.0.1", False),
    ],
)
def test_no_proxy_knows_names_suffixes_networks_and_ports(direct: str, host: str, is_direct: bool) -> None:
    assert (variable(f"http://{host}/", HTTP_PROXY="p:1", NO_PROXY=direct) is None) is is_direct


@given(network=st.ip_addresses(v=4).map(str), bits=st.integers(0, 32), address=st.ip_addresses(v=4))
def test_a_network_covers_what_it_contains(network: str, bits: int, address: ipaddress.IPv4Address) -> None:
    entry = f"{network}/{bits}"
    inside = address in ipaddress.ip_network(entry, strict=False)
    assert (variable(f"http://{address}/", HTTP_PROXY="p:1", no_proxy=entry) is None) is inside


@given(st.text(max_size=60))
def test_no_text_in_no_proxy_raises(text: str) -> None:
    read_proxies({"HTTP_PROXY": "p:1", "NO_PROXY": text}).find(httpx2.URL("http://10.0.0.1/"))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["socks5://user:hush@p:1", "http://", "ftp://p", "http://p:port"])
def test_an_unusable_proxy_is_an_error_that_names_its_variable(name: str, address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_proxies({name: address})
    assert str(caught.value) == f"{name}: is no address of a proxy that can be used; write http://host:port"
