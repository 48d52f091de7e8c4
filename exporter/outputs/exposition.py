"""Joins families into a body, plain or as one gzip member; writes only those blocks that changed since the last time."""

from collections.abc import Iterable
from itertools import chain

from exporter.outputs.families import Family
from exporter.outputs.lines import Format
from exporter.outputs.pieces import deflate, member


def plain(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """Metadata and sample lines of every family that has any, then ``end``."""
    own = form == "openmetrics"  # the text format has no exemplars
    texts = (
        (family.head(form).text, *(block.body(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return b"".join(chain(chain.from_iterable(texts), (end,)))


def gzipped(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """The same as one gzip member."""
    own = form == "openmetrics"
    pieces = (
        (family.head(form).piece, *(block.piece(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return member(chain(chain.from_iterable(pieces), (deflate(end),)))
