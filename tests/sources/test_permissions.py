"""The policies that users paste allow exactly what the sources ask for."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_SPELLINGS = {"dws:alarm:listDetail": "dws:alarmDetail:list"}
"""Actions of identity policies that custom policies of roles spell in another way."""
_IDENTITY_ALONE = frozenset({"modelarts::listServices"})
"""Actions of identity policies alone; custom policies of roles have another action, which another source needs too."""
_ACTION = re.compile(r"\b(?:modelarts|dws):\w*:\w+|\b(?:pai|paidlc|eas|paidsw):\w+")


def allowed(pattern: str) -> list[set[str]]:
    """The actions of each policy."""
    files = sorted((ROOT / "docs" / "permissions").glob(pattern))
    policies = [json.loads(path.read_text("utf-8")) for path in files]
    return [{action for one in policy["Statement"] for action in one["Action"]} for policy in policies]


def needed(*prefixes: str) -> set[str]:
    """The actions that the code of the sources names."""
    texts = [path.read_text("utf-8") for path in (ROOT / "exporter" / "sources").rglob("*.py")]
    return {action for text in texts for action in _ACTION.findall(text) if action.startswith(prefixes)}


def test_the_policies_of_huawei_cloud_allow_what_is_asked_for_and_no_more() -> None:
    actions = needed("modelarts:", "dws:")
    assert allowed("huaweicloud-custom*.json") == [actions - {*_SPELLINGS} - _IDENTITY_ALONE]
    assert allowed("huaweicloud-identity*.json") == [actions - {*_SPELLINGS.values()}]


def test_the_policy_of_alibaba_cloud_allows_both_spellings_of_what_is_asked_for() -> None:
    (actions,) = allowed("alibabacloud-*.json")
    both = {
        f"{prefix}:{action.partition(':')[2]}" for action in needed("pai:", "paidlc:") for prefix in ("pai", "paidlc")
    }
    assert actions == both | needed("eas:", "paidsw:")
