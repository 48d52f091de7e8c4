"""The exporter with something to show: the simulator's scenario, a source that is refused, a pool without a node, a failed
deployment, texts without a rule; and the real browser that looks at it."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, sync_playwright

from tests.support.heavy import missing
from tests.support.processes import COMMAND, Child, Clouds, Exporter, closing, configured, until

MARKUP = "[worker-0] <img src=x onerror=alert(1)> loss is <b>NaN</b> & 'nothing' \"else\""
UNREAD = "[worker-0] checkpoint 1200 could not be written: No space left on device"
UNSURE = "[worker-0] loss is NaN at step 300"
POOL, SERVICE, JOB = "pool-inference-a", "translate-v2", "nightly-finetune"
LOST = (
    "Pool resources status changed, available/abnormal/creating/deleting count from 4/0/0/0 to 3/1/0/0, timestamp: 1."
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DEPLOYMENT = (
    ("start to deploy service", "normal"),
    ("building image for model [translate 0.0.2]", "normal"),
    ("model (translate 0.0.2) build image success", "normal"),
    ("preparing environment", "normal"),
    ("[translate 0.0.2] prepare environment success", "normal"),
    ("[translate 0.0.2] schedule resource success", "normal"),
    ("[translate 0.0.2] pulling model image", "normal"),
    ("[translate 0.0.2] pull image failed", "abnormal"),
    ("Failed to start service {service}.", "abnormal"),
)


class Shown(Exporter):
    """``run`` with a configuration as users write it: in YAML, named without its folder."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        (folder / "exporter.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        Child.__init__(self, folder, "exporter", (*COMMAND, "run", "--config", "exporter.yaml"))
        self._url = ""


@contextlib.contextmanager
def exhibited(folder: Path, spread: float = 0.0, hostile: bool = True, **web: Any) -> Iterator[tuple[Exporter, Clouds]]:
    """The exporter over a living simulator, once everything there is to see can be seen; it takes ``spread`` seconds.

    ``hostile``: one of the texts without a rule is markup.
    """
    with closing(Clouds(folder, "--speed", "0.3", "--seed", "3")) as clouds:
        config = configured(clouds, folder)
        config["web"].update(web)
        with closing(Shown(folder, config)) as exporter:
            exporter.contacted()
            happen(clouds, spread, (UNREAD, MARKUP if hostile else UNSURE))
            prefix = web.get("route_prefix", "")
            until(lambda: seen(exporter, prefix), "everything is on the overview")
            exporter.get(f"{prefix}/metrics")  # new series are at 0 until they were scraped
            yield exporter, clouds


def happen(clouds: Clouds, spread: float, texts: tuple[str, ...]) -> None:
    """What there is to see."""
    now = int(time.time() * 1000) + 1000  # the vendor's seconds are whole: after the second of first contact
    time.sleep(spread)
    fail_deployment(clouds, SERVICE, now, spread)
    clouds.add(
        {
            "source": "modelarts_pool",
            "resource": POOL,
            "text": LOST,
            "type": "Warning",
            "reason": "PoolResourcesStatusChange",
            "at": now,
        },
        *({"source": "modelarts_training", "resource": JOB, "text": text, "at": now} for text in texts),
    )
    clouds.trouble({"kind": "denied", "where": "dws"})


def fail_deployment(clouds: Clouds, service: str, at: int, spread: float = 0.0) -> None:
    """A deployment of a service that begins at ``at`` and fails."""
    where = {"source": "modelarts_service", "resource": service}
    clouds.add(
        *(
            {**where, "text": text.format(service=service), "type": kind, "at": at + round(number * spread * 100)}
            for number, (text, kind) in enumerate(_DEPLOYMENT)
        )
    )


def seen(exporter: Exporter, prefix: str = "") -> bool:
    """Whether the overview has it all."""
    look = exporter.get(f"{prefix}/api/v1/overview").json()
    return (
        any(one["state"] == "failing" for one in look["sources"])
        and any(one["resource"] == POOL for one in look["losses"])
        and any(one["stage"]["resource"] == SERVICE for one in look["failures"])
        and len(look["unmapped"]) >= 2
    )


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, as Debian packages it."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium is not installed; on Debian: apt-get install chromium, or run make test as root")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()
