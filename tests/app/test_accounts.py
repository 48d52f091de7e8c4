"""The budgets of accounts when a process begins to ask: full at a start, empty after another process has asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.app.accounts import open_accounts
from exporter.config import load
from tests.support.clocks import ManualClock


@pytest.mark.parametrize("empty", [False, True])
async def test_budgets_begin_empty_where_another_process_has_asked_a_moment_ago(empty: bool, tmp_path: Path) -> None:
    login = {"access_key": "AK", "secret_key": "SK"}
    target: dict[str, Any] = {"name": "t", "platform": "huaweicloud", "region": "r", "project_id": "0" * 32}
    target |= {"credentials": login, "sources": {"dws": {}, "modelarts_pool": {}}, "budget": {"dws": "5/s"}}
    path = tmp_path / "exporter.json"
    path.write_text(json.dumps({"targets": [target]}))
    config, clock = load(path, environ={}, sets=()), ManualClock()

    async with open_accounts(config, clock, lambda event: None, empty=empty) as (account,):
        buckets: dict[str, Any] = dict(account.fetcher._route.budgets)
        before = {api: bucket.remaining for api, bucket in buckets.items()}
        clock.advance(0.5)
        found = {api: [before[api], buckets[api].remaining] for api in buckets}
    assert found["dws"] == ([0.0, 2.5] if empty else [5.0, 5.0])
    assert all((before == 0.0) is empty for before, _ in found.values())
