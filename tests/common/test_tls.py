"""Whom a client trusts, on every Python: handshakes in memory, and the flags that Python 3.13 set otherwise."""

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.common.tls import make_tls_context, make_unverified_tls_context
from exporter.otlp.endpoint import OtlpEndpoint, receiver_tls_context

HOST = "collector.example.com"
DAY = dt.timedelta(days=1)


class Signed(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def sign(name: str, issuer: Signed | None, *, authority: bool, key_usage: bool = True) -> Signed:
    """A certificate; without an issuer it signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer.certificate.subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - DAY,
        not_valid_after=now + DAY,
    ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if authority and key_usage:
        usages = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        usage = x509.KeyUsage(**usages, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
        builder = builder.add_extension(usage, critical=True)
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Signed(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def pem(folder: Path, *certificates: Signed) -> Path:
    path = folder / f"{id(certificates)}.pem"
    path.write_bytes(b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in certificates))
    return path


def serve(folder: Path, server: Signed, *chain: Signed) -> ssl.SSLContext:
    key = folder / "key.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(server.key.private_bytes(serialization.Encoding.PEM, *private))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem(folder, server, *chain), key)
    return context


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str = HOST) -> None:
    """Join both ends in memory. Raises ssl.SSLCertVerificationError if the client does not trust the server."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].version()


def clients(authority: Path) -> Iterator[ssl.SSLContext]:
    """The contexts of vendors, of OTLP and of the commands."""
    yield make_tls_context(authority)
    yield make_tls_context(authority, alone=True)
    yield receiver_tls_context(OtlpEndpoint("traces", f"https://{HOST}/v1/traces", certificate=authority))


def test_an_authority_without_key_usage_is_trusted(tmp_path: Path) -> None:
    authority = sign("in-house", None, authority=True, key_usage=False)
    server = serve(tmp_path, sign(HOST, authority, authority=False))
    for client in clients(pem(tmp_path, authority)):
        shake_hands(client, server)


def test_an_intermediate_authority_may_be_named_alone(tmp_path: Path) -> None:
    between = sign("between", sign("root", None, authority=True), authority=True)
    server = serve(tmp_path, sign(HOST, between, authority=False), between)
    for client in clients(pem(tmp_path, between)):
        shake_hands(client, server)


def test_another_authority_and_another_host_are_refused(tmp_path: Path) -> None:
    authority = sign("ours", None, authority=True)
    server = serve(tmp_path, sign(HOST, authority, authority=False))
    for client in clients(pem(tmp_path, sign("ours", None, authority=True))):
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            shake_hands(client, server)
    for client in clients(pem(tmp_path, authority)):
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(client, server, "other.example.com")


def test_only_who_asks_for_it_takes_any_certificate(tmp_path: Path) -> None:
    server = serve(tmp_path, sign("other", sign("nobody", None, authority=True), authority=False))
    shake_hands(make_unverified_tls_context(), server)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(make_tls_context(), server)


def test_the_flags_are_the_same_on_every_python() -> None:
    context = make_tls_context()
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
