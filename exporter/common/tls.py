"""TLS contexts of every client: whom it trusts, by the same rules on every Python."""

import ssl
from pathlib import Path


def make_tls_context(ca_file: Path | None = None, *, alone: bool = False) -> ssl.SSLContext:
    """Make a client's context that trusts the system and ``ca_file`` (PEM), or that file ``alone``.

    Certificates and host names are verified. Raises OSError, of which ssl.SSLError is one, for a file that cannot be
    used. Since Python 3.13 the default of ``ssl`` differs in two flags. Authorities without ``keyUsage`` would be
    refused there, which many in-house ones are; an intermediate authority named alone would be refused before.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file and alone else None)
    if ca_file and not alone:
        context.load_verify_locations(cafile=str(ca_file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def make_unverified_tls_context() -> ssl.SSLContext:
    """Make a client's context that accepts every certificate, for where a user asks for that."""
    context = make_tls_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
