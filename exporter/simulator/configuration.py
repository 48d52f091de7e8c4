"""A ready configuration of the exporter against the simulated clouds; it holds no other knowledge of the exporter."""

from typing import Any

from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.accounts import (
    ACCESS_KEY,
    ALIBABA_ACCESS_KEY,
    ALIBABA_REGION,
    ALIBABA_SECRET_KEY,
    PROJECT_ID,
    REGION,
    SECRET_KEY,
    Platform,
)

_OFTEN = {"poll_interval": "1s", "max_poll_interval": "2s", "discovery_interval": "2s"}
_BUDGET = "100/s"  # one host here: the lowest rate holds


def configuration(base_url: str, **overrides: Any) -> dict[str, Any]:
    """Return a configuration of both platforms with all sources, short intervals and large budgets.

    ``overrides`` replace top-level parts.
    """
    huawei = {
        "name": "research",
        "platform": "huaweicloud",
        "region": REGION,
        "project_id": PROJECT_ID,
        "credentials": {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
        "endpoints": _endpoints("huaweicloud", base_url, "iam", "sts", "metadata"),
        "budget": _endpoints("huaweicloud", _BUDGET, "iam", "sts"),
        "sources": _sources("huaweicloud"),
    }
    alibaba = {
        "name": "pai",
        "platform": "alibabacloud",
        "region": ALIBABA_REGION,
        "credentials": {"access_key_id": ALIBABA_ACCESS_KEY, "access_key_secret": ALIBABA_SECRET_KEY},
        "endpoints": _endpoints("alibabacloud", base_url, "sts", "metadata"),
        "budget": _endpoints("alibabacloud", _BUDGET, "sts"),
        "sources": _sources("alibabacloud"),
    }
    return {"targets": [huawei, alibaba], "store": ":memory:"} | overrides


def _endpoints(platform: Platform, value: str, *more: str) -> dict[str, str]:
    own = (source.endpoint for source in SOURCES.values() if source.platform == platform)
    return dict.fromkeys((*own, *more), value)


def _sources(platform: Platform) -> dict[str, dict[str, Any]]:
    return {name: {**row.options, **_OFTEN} for name, row in SOURCES.items() if row.platform == platform}
