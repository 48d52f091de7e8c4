"""Configuration files, and what loading them says."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.config import load
from exporter.model.errors import ConfigError

AGENCY = Path(__file__).parents[1] / "data" / "good-configs" / "huaweicloud-agency.yaml"
ENV = "PLATFORM_EXPORTER__"


def target(**changes: Any) -> dict[str, Any]:
    base = {"name": "research", "platform": "huaweicloud", "region": "cn-north-4", "credentials": {"metadata": True}}
    return {**base, "sources": {"dws": {}}, **changes}


def write(folder: Path, data: Any) -> Path:
    path = folder / "exporter.yaml"
    path.write_text(json.dumps(data))
    return path


def problems(path: Path | None, environ: dict[str, str], sets: list[str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ, sets=sets)
    return [line.replace(str(path), "FILE") for line in caught.value.problems]
