"""A ready configuration of the exporter against the simulated clouds; holds no other knowledge of the exporter."""

from typing import Any

from exporter.simulator import accounts


def configuration(base_url: str, **overrides: Any) -> dict[str, Any]:
    """Both platforms with all five sources, asked often and with room; ``overrides`` replace top-level parts."""
    often = {"poll_interval": "1s", "max_poll_interval": "2s", "discovery_interval": "2s"}
    huawei = {
        "name": "research",
        "platform": "huaweicloud",
        "region": accounts.REGION,
        "project_id": accounts.PROJECT_ID,
        "credentials": {"access_key": accounts.ACCESS_KEY, "secret_key": accounts.SECRET_KEY},
        "endpoints": dict.fromkeys(("modelarts", "dws", "iam", "sts", "metadata"), base_url),
        "budget": dict.fromkeys(("modelarts", "dws", "iam", "sts"), "100/s"),  # one host here: the lowest rate holds
        "sources": {
            "modelarts_training": {"workspaces": ["0"], **often},
            "modelarts_pool": dict(often),
            "modelarts_service": dict(often),
            "dws": dict(often),
        },
    }
    alibaba = {
        "name": "pai",
        "platform": "alibabacloud",
        "region": accounts.ALIBABA_REGION,
        "credentials": {
            "access_key_id": accounts.ALIBABA_ACCESS_KEY,
            "access_key_secret": accounts.ALIBABA_SECRET_KEY,
        },
        "endpoints": dict.fromkeys(("pai_dlc", "sts", "metadata"), base_url),
        "budget": dict.fromkeys(("pai_dlc", "sts"), "100/s"),
        "sources": {"pai_dlc": {"workspaces": [accounts.ALIBABA_WORKSPACE], **often}},
    }
    return {"targets": [huawei, alibaba], "store": ":memory:"} | overrides
