"""TLS contexts: the system's authorities, and those of a file beside them."""

import ssl
from pathlib import Path


def make_tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Make a client's context that trusts the system and ``ca_file`` (PEM).

    Raises OSError, of which ssl.SSLError is one, for a file that cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context
