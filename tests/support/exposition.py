"""Registry, admission and page in one object, for tests of what becomes of changes."""

from exporter.exposition.admission import MAX_SERIES, SeriesAdmission
from exporter.exposition.page import Exposition
from exporter.exposition.registry import Registry
from exporter.model.metrics import Catalogue
from exporter.model.protocols import Clock


class ExposedSeries(SeriesAdmission):
    """What the exporter puts together for a catalogue, with the methods of all its parts."""

    def __init__(self, catalogue: Catalogue, hold: float, clock: Clock, most: int = MAX_SERIES) -> None:
        super().__init__(Registry(catalogue), hold, clock, most)
        page = Exposition(self.registry, self.hold)
        self.render = page.render
        self.scraped = page.scraped
        self.stale = self.registry.stale
        self.series_counts = self.registry.series_counts
        self.totals = self.registry.totals
        self.value = self.registry.value
        self.of = self.registry.of


def scrape(prometheus: ExposedSeries) -> None:
    """Read the whole page, as a scraper does."""
    prometheus.scraped(prometheus.render("text", gzip=True).number)
