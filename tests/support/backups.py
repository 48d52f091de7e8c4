"""Runs to trace: backups of clusters at the simulator, and a configuration that sends them by OTLP."""

import time
from pathlib import Path
from typing import Any

from tests.support.processes import Clouds, configured


class Backups:
    """Backups of clusters, one after another: each is a run."""

    def __init__(self, clouds: Clouds) -> None:
        self._clouds, self.number = clouds, 0

    def happen(self, times: int) -> None:
        for _ in range(times):
            at = int(time.time() * 1000)
            self.number += 1
            place = {"source": "dws", "resource": f"backup-{self.number}"}
            self._clouds.add({**place, "text": "createBackup", "at": at - 20})
            self._clouds.add({**place, "text": "createBackupSuccess", "at": at})


def sending(clouds: Clouds, folder: Path, address: str, **otlp: Any) -> dict[str, Any]:
    """Return a configuration that sends to ``address`` by OTLP."""
    return {**configured(clouds, folder), "otlp": {"endpoint": address, **otlp}}
