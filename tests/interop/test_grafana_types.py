"""Grafana's own types know every field and value of the shipped dashboards."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.programs import BUILT, ROOT
from tests.support.heavy import missing, needs

pytestmark = pytest.mark.interop

DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
RAW = "@grafana/schema/dist/esm/raw/composable"
PANELS = {  # by type: the file of its types, and whether it has fields of its own
    "stat": ("stat", "StatPanelCfg", False),
    "timeseries": ("timeseries", "TimeSeriesPanelCfg", True),
    "bargauge": ("bargauge", "BarGaugePanelCfg", False),
    "table": ("table", "TablePanelCfg", True),
    "state-timeline": ("statetimeline", "StateTimelinePanelCfg", True),
}
HEAD = """import type { Dashboard } from '@grafana/schema';
type Loose<T> = T extends string ? T | `${T}` : T extends (infer U)[] ? Loose<U>[] :
  T extends object ? { [K in keyof T]?: Loose<T[K]> | null } : T;
"""
# Grafana 12 and older read these where 13 has others; 13 moves them when it opens a dashboard.
OLDER = {("table", "footer")}
OPTIONS = {
    "compilerOptions": {"strict": True, "noEmit": True, "module": "nodenext", "skipLibCheck": True, "types": []},
    "files": ["boards.ts"],
}


def panels(board: Any) -> Iterator[Any]:
    """Yield every panel of a dashboard but the rows."""
    for panel in board["panels"]:
        yield from panels({"panels": panel.get("panels", [])})
        if panel["type"] != "row":
            yield panel


def statements() -> Iterator[str]:
    """Yield TypeScript that says of every dashboard and panel what it is."""
    yield HEAD
    for module, file, _ in PANELS.values():
        yield f"import type * as {module} from '{RAW}/{module}/panelcfg/x/{file}_types.gen';"
    for number, path in enumerate(DASHBOARDS):
        board = json.loads(path.read_text("utf-8"))
        yield f"// {path.name}\nexport const board{number}: Loose<Dashboard> = {json.dumps(without_old_forms(board))};"
        for panel in panels(board):
            module, _, fields = PANELS[panel["type"]]
            name = f"panel{number}_{panel['id']}"
            (options,) = without([panel["options"]], *(option for kind, option in OLDER if kind == panel["type"]))
            yield f"export const {name}: Loose<{module}.Options> = {json.dumps(options)};"
            custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
            if fields and custom:
                yield f"export const {name}_field: Loose<{module}.FieldConfig> = {json.dumps(custom)};"


def without_old_forms(board: Any) -> Any:
    """Return a dashboard without what Grafana's types leave out, and Grafana itself writes or has read.

    Annotations hold what Grafana 12 and older read beside ``target``; variables hold their query once more.
    """
    return {
        **board,
        "annotations": {"list": without(board["annotations"]["list"], "expr", "step", "titleFormat", "textFormat")},
        "templating": {"list": without(board["templating"]["list"], "definition")},
    }


def without(items: list[Any], *names: str) -> list[Any]:
    """Return objects without these fields."""
    return [{key: value for key, value in one.items() if key not in names} for one in items]


def compiled(folder: Path, text: str) -> str:
    """Return what the compiler says of a file."""
    modules = BUILT / "grafana" / "node_modules"
    node = needs("node", "nodejs")
    if not modules.is_dir():
        missing("Grafana's types are not there; install npm and run make interop")
    (folder / "node_modules").symlink_to(modules)
    (folder / "boards.ts").write_text(text, "utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps(OPTIONS))
    command = (str(node), str(modules / "typescript" / "bin" / "tsc"), "--project", str(folder), "--preserveSymlinks")
    return subprocess.run(command, capture_output=True, text=True, cwd=folder).stdout


def test_every_field_of_the_dashboards_is_one_of_grafanas(tmp_path: Path) -> None:
    assert compiled(tmp_path, "\n".join(statements())) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"graphMode": "', '"graphModes": "'),
        ('"lineWidth": ', '"lineWidth": "2", "x": '),
        ('"schemaVersion": ', '"schema": '),
    ],
    ids=["option", "field", "dashboard"],
)
def test_a_wrong_field_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = "\n".join(statements())
    assert right in text
    assert "error TS" in compiled(tmp_path, text.replace(right, wrong))
