"""The web port of the exporter as users start it: encrypted, with passwords, with reloads, and how it is asked by commands."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx2
import pytest
import trustme

from tests.support.processes import Clouds, Exporter, closing, configured, ran, until
from tests.support.source_names import SOURCES

PASSWORD = "correct horse"
RULE = """mapping: 1
source: modelarts_training
rules:
  - id: mine
    shape: "[{worker:word}] mine {what:rest}"
    as: {reason: Mine}
"""


class Port:
    """A running exporter with TLS, a user and reloads, and its folder."""

    def __init__(self, exporter: Exporter, folder: Path) -> None:
        self.exporter, self.folder = exporter, folder
        self.url = exporter.url.replace("http:", "https:")
        self.trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))

    def ask(self, method: str, path: str, password: str = PASSWORD) -> httpx2.Response:
        with httpx2.Client(verify=self.trust, trust_env=False, timeout=20, auth=("alice", password)) as client:
            return client.request(method, self.url + path)

    def top(self, *more: str) -> tuple[int, str, str]:
        done = ran("top", "--url", self.url, *more)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    folder, ca = tmp_path_factory.mktemp("running"), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    certificate = ca.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}"
    (folder / "web.yaml").write_text(f"{tls}\nbasic_auth_users: {{alice: {hashed}}}\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "wrong").write_text("wrong")
    (folder / "rules").mkdir()
    (folder / "rules" / "mine.yaml").write_text(RULE)
    with closing(Clouds(folder)) as clouds:
        config = configured(clouds, folder)
        config["web"] |= {"config_file": "web.yaml", "enable_reload": True}
        config["mappings"] = ["rules/*.yaml"]
        with closing(Exporter(folder, config)) as exporter:
            yield Port(exporter, folder)


def test_nobody_gets_in_without_the_password_and_nothing_is_said_in_the_clear(port: Port) -> None:
    assert port.ask("GET", "/metrics").status_code == 200
    refused = port.ask("GET", "/metrics", "wrong")
    assert (refused.status_code, refused.text) == (401, "Unauthorized\n")
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(port.exporter.url + "/metrics", trust_env=False)
    assert ran("healthcheck", "--url", port.url, "--insecure").stdout == "ok\n"


def test_top_reads_a_guarded_port(port: Port) -> None:
    way = ("--user", "alice", "--ca-file", str(port.folder / "ca.pem"))
    code, out, err = port.top(*way, "--password-file", str(port.folder / "password"), "--output", "json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)["sources"]) == len(SOURCES)
    refusal = f"{port.url}: the password was refused; give --user and --password-file\n"
    assert port.top(*way, "--password-file", str(port.folder / "wrong")) == (1, "", refusal)
    code, out, err = port.top()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "certificate verify failed" in err


def test_a_reload_is_judged_and_a_bad_one_changes_nothing(port: Port) -> None:
    def ids() -> set[str]:
        return {rule["id"] for rule in port.ask("GET", "/api/v1/mappings").json()["rules"]}

    path = port.folder / "rules" / "mine.yaml"
    path.write_text(RULE.replace("{worker:word}", "{worker:wurd}"))
    bad = port.ask("POST", "/-/reload")
    assert bad.status_code == 500
    assert bad.text.startswith(f"{path}:5: ")
    assert "wurd" in bad.text
    assert "Traceback" not in bad.text
    assert "mine" in ids()
    path.write_text(RULE.replace("id: mine", "id: another"))
    good = port.ask("POST", "/-/reload")
    assert (good.status_code, good.text) == (200, "ok\n")
    assert ids() >= {"another"}
    assert "mine" not in ids()
    (port.folder / "rules" / "mine.yaml").write_text(RULE)


def test_a_certificate_that_cannot_be_used_is_told_once_and_the_old_one_stays(port: Port) -> None:
    """The last that the file of the certificate serves."""
    (port.folder / "server.pem").write_text("no certificate")
    for _ in range(3):
        assert port.ask("GET", "/-/healthy").text == "ok\n"
    what = "is no PEM certificate with the unencrypted key of key_file; correct one of the two"
    until(lambda: what in port.exporter.said(), "the certificate is told of")
    assert port.exporter.said().count(what) == 1


def test_no_secret_was_shown(port: Port) -> None:
    pages = "".join(port.ask("GET", path).text for path in ("/", "/config", "/api/v1/config", "/metrics"))
    secrets = (PASSWORD, "$2b$", "PRIVATE KEY")
    assert [secret for secret in secrets if secret in pages or secret in port.exporter.said()] == []
