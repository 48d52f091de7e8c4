"""The life of a ModelArts notebook: it is created, runs, is stopped, and sometimes fails until a user starts it again."""

import itertools
import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.apis.notebooks import Notebook, add_notebook, enter, remove
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import KEPT, Story, identifier


class _Failure(NamedTuple):
    reason: str
    step: int


# Texts of the user guide's events of notebooks; that the listing has the same is inferred.
_FAILURES = (
    _Failure("Mount volume failed; Check whether the DEW secret is correct if the instance cannot change to running in "
             "five minutes", 1),
    _Failure("Failed to create notebook container. Please contact SRE to check node 192.168.3.17", 4),
    _Failure("Failed to attach volume. Please contact SRE to check node 192.168.3.17", 1),
)  # fmt: skip


def notebook_life(cloud: Cloud, rng: random.Random) -> Story:
    """Run one notebook after the other, without end; the first fails. Those that failed stay in the list for long."""
    at = yield 0.0
    over = deque[Notebook]()
    for number in itertools.count():
        name = f"notebook-{rng.choice(('features', 'churn', 'vision'))}-{rng.randrange(1000):03d}"
        notebook = add_notebook(cloud, identifier(rng), name=name, status="CREATING", created=at, updated=at)
        if number == 0 or rng.random() < 0.4:
            failure = rng.choice(_FAILURES)
            enter(cloud, notebook, "CREATE_FAILED", at, failure.reason, failure.step)
        else:
            for status in ("RUNNING", "STOPPING", "STOPPED"):
                at = yield rng.uniform(5, 20)
                enter(cloud, notebook, status, at)
        over.append(notebook)
        if len(over) > KEPT:
            remove(cloud, over.popleft())
        at = yield rng.uniform(5, 15)
