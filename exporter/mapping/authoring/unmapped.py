"""The texts that no rule took, as templates with samples.

Bounded: the template that was seen longest ago leaves first.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from exporter.mapping.authoring.templates import LOOKED_AT, Template, fold, join
from exporter.model.telemetry import Loaded, SelfEvent, UnmappedTexts

MOST, SAMPLES = 200, 3  # templates, and texts of each, that are kept
KEPT = 2 * LOOKED_AT  # characters of a sample; a template looks at fewer, so the rest changes nothing
Key = tuple[str, str, str, tuple[str, ...]]


class UnmappedTemplate(msgspec.Struct, frozen=True):
    """Texts of one source of one target that have one template.

    ``severity`` and ``reason`` are the vendor's words in the newest of them. ``first`` and ``last`` are when they were
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


class UnmappedTemplates:
    """All templates of unmapped texts.

    When it is full, the template that was seen longest ago is dropped, and its texts are counted in ``beyond``.
    """

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        self._now = now
        self._most = most
        self._known: OrderedDict[Key, UnmappedTemplate] = OrderedDict()
        self._hashes: Mapping[str, str] = {}
        self.beyond = 0

    def record(self, event: SelfEvent) -> None:
        """Record an unmapped text.

        When the mapping of a source has changed, all texts that the old one could not read are dropped.
        """
        if isinstance(event, UnmappedTexts):
            self._take(event)
        elif isinstance(event, Loaded) and not event.problems:
            stay = {source for source, digest in event.hashes.items() if self._hashes.get(source) == digest}
            self._known = OrderedDict((key, one) for key, one in self._known.items() if one.source in stay)
            self._hashes = event.hashes

    def most_frequent(self) -> Sequence[UnmappedTemplate]:
        """List all templates, the most frequent first."""
        return sorted(self._known.values(), key=lambda one: (-one.times, one.source, one.template.shape))

    def _take(self, event: UnmappedTexts) -> None:
        template, now, sample = fold(event.text), self._now(), event.text[:KEPT]
        key = (event.target, event.source, event.reason, template.literals)
        known = self._known.pop(key, None)
        if known is None:
            known = UnmappedTemplate(event.target, event.source, "", "", event.reason, template, 0, now, now, ())
        more = sample not in known.samples and len(known.samples) < SAMPLES
        self._known[key] = msgspec.structs.replace(
            known,
            cause=event.cause,
            severity=event.severity,
            template=join(known.template, template),
            times=known.times + event.times,
            last=now,
            samples=(*known.samples, sample) if more else known.samples,
        )
        if len(self._known) > self._most:
            _, lost = self._known.popitem(last=False)
            self.beyond += lost.times
