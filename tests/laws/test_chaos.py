"""``run`` is killed at any moment while events pour in; in the end each has counted once, and every start opens the file.

``KILLS`` in the environment says how often, ``CHAOS_SEED`` repeats a run; ``make chaos`` kills more often than the suite.
"""

import os
import random
import time
from pathlib import Path

from tests.support.feeder import Feeder, risen
from tests.support.processes import Clouds, Exporter, Samples, closing, configured, until
from tests.support.source_names import SOURCES

KILLS = int(os.environ.get("KILLS") or 6)
FAULTS = (
    {"kind": "late", "probability": 0.2, "seconds": 1.0},
    {"kind": "reset", "probability": 0.02},
    {"kind": "drift", "probability": 0.05, "size": 2},
)


def test_any_kills_at_any_moments_leave_totals_exact(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**32))
    print(f"CHAOS_SEED={seed}")
    luck = random.Random(seed)
    with closing(Clouds(tmp_path)) as clouds:
        ago = int((time.time() - 600) * 1000)
        clouds.past(
            *({"source": s, "resource": f"{s}-{n}", "text": "long ago", "at": ago} for s in SOURCES for n in (1, 2))
        )
        config, feeder, shown = configured(clouds, tmp_path), Feeder(clouds, luck), Samples()
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted()
            clouds.trouble(*FAULTS)
            feeder.feed_until(time.monotonic() + 1.0)
            exporter.process.kill()
        for _ in range(KILLS - 1):
            feeder.feed()
            with closing(Exporter(tmp_path, config)) as exporter:
                if luck.random() < 0.75:
                    while not exporter.listening():
                        feeder.feed_until(time.monotonic() + 0.05)
                    shown = risen(exporter, shown)
                feeder.feed_until(time.monotonic() + luck.uniform(0.0, 1.0))
                if exporter.listening():
                    shown = risen(exporter, shown)
                assert exporter.process.poll() is None, exporter.said()
                exporter.process.kill()
                exporter.process.wait()
        clouds.trouble()
        until(lambda: not any(clouds.state()["hidden"].values()), "nothing is hidden")
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.until_exact(clouds)
            risen(exporter, shown)
            assert sum(sum(found.values()) for found in clouds.news().values()) > 20 * KILLS
