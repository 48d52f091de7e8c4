"""Remembers which texts no rule took, folded to templates, with samples; bounded, and quiet about everything else."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from exporter.mapping.authoring.templates import LOOKED_AT, Template, fold, join
from exporter.model.telemetry import Loaded, SelfEvent, UnmappedTexts

MOST, SAMPLES = 200, 3  # templates, and texts of each, that are kept
KEPT = 2 * LOOKED_AT  # characters of a sample; a template looks at fewer, so the rest changes nothing
Key = tuple[str, str, str, tuple[str, ...]]


class Folded(msgspec.Struct, frozen=True):
    """Texts that differ only in what ``template`` has holes for, of one source of one target.

    ``severity`` and ``reason`` are the vendor's words in the newest of them. ``first`` and ``last`` say when they were
    seen (Unix seconds). ``samples`` are the oldest texts that differ, cut to ``KEPT`` characters.
    """

    target: str
    source: str
    cause: str
    severity: str
    reason: str
    template: Template
    times: int
    first: float
    last: float
    samples: tuple[str, ...]


class Templates:
    """Hears of unmapped texts. What is full forgets the template that was seen longest ago, and counts it in ``beyond``."""

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        self._now, self._most = now, most
        self._known: OrderedDict[Key, Folded] = OrderedDict()
        self._hashes: Mapping[str, str] = {}
        self.beyond = 0

    def hear(self, fact: SelfEvent) -> None:
        """Takes in an unmapped text; after a source got another mapping, forgets what the old one could not read."""
        if isinstance(fact, UnmappedTexts):
            self._take(fact)
        elif isinstance(fact, Loaded) and not fact.problems:
            stay = {source for source, digest in fact.hashes.items() if self._hashes.get(source) == digest}
            self._known = OrderedDict((key, one) for key, one in self._known.items() if one.source in stay)
            self._hashes = fact.hashes

    def listed(self) -> Sequence[Folded]:
        """All that is remembered, the most frequent first."""
        return sorted(self._known.values(), key=lambda one: (-one.times, one.source, one.template.shape))

    def _take(self, fact: UnmappedTexts) -> None:
        template, now, sample = fold(fact.text), self._now(), fact.text[:KEPT]
        key = (fact.target, fact.source, fact.reason, template.literals)
        known = self._known.pop(key, None)
        if known is None:
            known = Folded(fact.target, fact.source, "", "", fact.reason, template, 0, now, now, ())
        more = sample not in known.samples and len(known.samples) < SAMPLES
        self._known[key] = msgspec.structs.replace(
            known,
            cause=fact.cause,
            severity=fact.severity,
            template=join(known.template, template),
            times=known.times + fact.times,
            last=now,
            samples=(*known.samples, sample) if more else known.samples,
        )
        if len(self._known) > self._most:
            _, lost = self._known.popitem(last=False)
            self.beyond += lost.times
