"""The web configuration file: what is not understood is refused in one line, and nothing of a secret is shown."""

import ssl
from pathlib import Path

import pytest
import trustme

from exporter.config import load
from exporter.model.errors import ConfigError
from exporter.web.security.web_config import WebConfig, read_protection

HASH = "$2b$10$sP92MBLhmY96Jd28ThA5WOX.0OyWN7O7nNIWhaTpDTwwJ8OHeham2"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
BAD = {
    "nothing": ("", ["FILE:1: says nothing; write tls_server_config or basic_auth_users, or remove web.config_file"]),
    "a list": ("- a", ["FILE:1: must be a mapping; begin with tls_server_config: or basic_auth_users:"]),
    "a misspelt section": (
        "tls_config: {cert_file: server.pem}",
        ["FILE:1: tls_config: unknown key; did you mean 'tls_server_config'?"],
    ),
    "misspelt and missing keys": (
        "tls_server_config:\n  keyfile: server.key\n  cert_file: server.pem\n",
        [
            "FILE:1: tls_server_config: key_file is missing; write the path of a PEM file",
            "FILE:2: tls_server_config.keyfile: unknown key; did you mean 'key_file'?",
        ],
    ),
    "a key of the toolkit that is not here": (
        TLS + ", cipher_suites: [X]}",
        [
            (
                "FILE:1: tls_server_config.cipher_suites: unknown key; known here: cert_file, key_file, client_ca_file,"
                " client_auth_type, client_allowed_sans, min_version"
            )
        ],
    ),
    "an empty section": (
        "basic_auth_users: {}",
        ["FILE:1: basic_auth_users: must hold keys and values; write them, or remove the section"],
    ),
    "a certificate that is a list": (
        "tls_server_config: {cert_file: [a], key_file: server.key}",
        ["FILE:1: tls_server_config.cert_file: must be the path of a PEM file"],
    ),
    "an old version": (
        TLS + ", min_version: TLS10}",
        ["FILE:1: tls_server_config.min_version: is none of those supported here; write TLS12 or TLS13"],
    ),
    "a client policy that cannot be kept": (
        TLS + ", client_ca_file: ca.pem, client_auth_type: RequireAnyClientCert}",
        [
            (
                "FILE:1: tls_server_config.client_auth_type: is none of those supported here;"
                " write NoClientCert or VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            )
        ],
    ),
    "a client policy without a CA": (
        TLS + ", client_auth_type: RequireAndVerifyClientCert}",
        [
            (
                "FILE:1: tls_server_config.client_auth_type: needs client_ca_file, the CA that signs the clients'"
                " certificates"
            )
        ],
    ),
    "a CA without a client policy": (
        TLS + ", client_ca_file: ca.pem}",
        [
            (
                "FILE:1: tls_server_config.client_ca_file: has no effect without client_auth_type;"
                " write RequireAndVerifyClientCert there"
            )
        ],
    ),
    "names that are text": (
        TLS + ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: a}",
        ["FILE:1: tls_server_config.client_allowed_sans: must be a list of names; write [prometheus.example.com]"],
    ),
    "a password in the clear": (
        "basic_auth_users:\n  alice: secret",
        ["FILE:2: basic_auth_users.alice: is no bcrypt hash; make one with: htpasswd -nBC 10 NAME"],
    ),
    "a name without a blank behind it": (
        f"basic_auth_users: {{'alice:{HASH}': }}",
        ["FILE:1: basic_auth_users: a name is empty or holds ':'; write NAME: HASH with a blank after the ':'"],
    ),
    "a hash as a key": (
        f"{HASH}: alice",
        ["FILE:1: unknown key '***'; known here: tls_server_config, basic_auth_users, http_server_config"],
    ),
    "a hash as a tag": (
        f"basic_auth_users: {{alice: !{HASH} x}}",
        ["FILE:1: the tag '***' is not used here; remove it"],
    ),
    "a header of our own": (
        "http_server_config: {headers: {Content-Security-Policy: x}}",
        [
            (
                "FILE:1: http_server_config.headers: a name is not to be set here;"
                " known here: Strict-Transport-Security, X-Frame-Options, X-XSS-Protection"
            )
        ],
    ),
    "a header of two lines": (
        'http_server_config: {headers: {X-Frame-Options: "a\\nb"}}',
        ["FILE:1: http_server_config.headers.X-Frame-Options: must be one line of text; put it in quotes"],
    ),
    "HTTP/2": (
        "http_server_config: {http2: true}",
        ["FILE:1: http_server_config.http2: this port speaks HTTP/1.1; write false or remove the key"],
    ),
    "files that are not there": (
        TLS.replace("server.pem", "none.pem") + "}",
        [
            (
                "FILE:1: tls_server_config.cert_file: FOLDER/none.pem cannot be read (No such file or directory);"
                " check the path and its permissions"
            )
        ],
    ),
    "the key of another certificate": (
        TLS.replace("server.key", "other.key") + "}",
        [
            (
                "FILE:1: tls_server_config.cert_file: is no PEM certificate with the unencrypted key of key_file;"
                " correct one of the two"
            )
        ],
    ),
    "a CA that is none": (
        TLS + ", client_ca_file: server.key, client_auth_type: RequireAndVerifyClientCert}",
        [
            (
                "FILE:1: tls_server_config.client_ca_file: holds no certificate in PEM form;"
                " write the CA that signs the clients'"
            )
        ],
    ),
}
MINIMAL = "targets: [{name: a, platform: huaweicloud, region: r, credentials: {metadata: true}, sources: {dws: {}}}]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, another key, and a CA."""
    folder, ca = tmp_path_factory.mktemp("web"), trustme.CA()
    certificate = ca.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    ca.issue_cert("other").private_key_pem.write_to_path(folder / "other.key")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return folder


def read(text: str, folder: Path) -> WebConfig:
    (folder / "web.yaml").write_text(text)
    return read_protection(folder / "web.yaml")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_web_configuration_is_told_in_exactly_these_lines(name: str, folder: Path) -> None:
    text, lines = BAD[name]
    with pytest.raises(ConfigError) as refused:
        read(text, folder)
    said = [line.replace(str(folder / "web.yaml"), "FILE") for line in refused.value.problems]
    assert [line.replace(str(folder), "FOLDER") for line in said] == lines


def test_what_is_understood_is_kept_with_paths_from_its_own_folder(folder: Path) -> None:
    clients = "client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus]"
    protection = read(
        f"{TLS}, {clients}, min_version: TLS13}}\nbasic_auth_users: {{alice: {HASH}}}\n"
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n",
        folder,
    )
    assert protection.tls is not None
    assert (protection.tls.cert_file, protection.tls.client_ca_file) == (folder / "server.pem", folder / "ca.pem")
    assert (protection.tls.allowed_sans, protection.tls.min_version) == (("prometheus",), "TLS13")
    assert protection.users == {"alice": HASH.encode()}
    assert protection.headers == {"X-Frame-Options": "deny"}


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"locked")
    form = serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "locked.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    with pytest.raises(ConfigError, match="the unencrypted key of key_file"):
        read(TLS.replace("server.key", "locked.key") + "}", folder)


def test_the_exporters_own_configuration_is_refused_with_a_web_file_that_cannot_be_used(folder: Path) -> None:
    (folder / "web.yaml").write_text("basic_auth_users: {alice: secret}")
    path = folder / "exporter.yaml"
    path.write_text(f"{MINIMAL}web: {{config_file: web.yaml}}\n")
    with pytest.raises(ConfigError) as refused:
        load(path, environ={}, sets=())
    assert refused.value.problems == (
        f"{folder}/web.yaml:1: basic_auth_users.alice: is no bcrypt hash; make one with: htpasswd -nBC 10 NAME",
    )


def test_old_versions_of_tls_are_never_spoken(folder: Path) -> None:
    from exporter.web.security.web_config import make_context

    protection = read(TLS + "}", folder)
    assert protection.tls is not None
    assert make_context(protection.tls).minimum_version is ssl.TLSVersion.TLSv1_2
