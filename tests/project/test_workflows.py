"""The workflows of the forge: pinned, with few rights, and made of commands that exist; the scripts of a release work."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORGE = ROOT / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, Any]:
    """The jobs of a workflow."""
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    return found


@each_workflow
def test_every_action_is_pinned_to_a_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@each_workflow
def test_a_workflow_may_read_only_unless_a_job_says_more(path: Path) -> None:
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs(path).items() if "timeout-minutes" not in job] == []


@each_workflow
def test_commands_of_a_workflow_exist_and_take_no_foreign_text(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for step in (step for job in jobs(path).values() for step in job["steps"] if "run" in step):
        assert "${{" not in step["run"], "an expression in a script is code; use env"
        assert set(re.findall(r"make ([a-z-]+)", step["run"])) <= targets
        for script in re.findall(r"\./(\.github/\S+\.sh)", step["run"]):
            assert (ROOT / script).stat().st_mode & 0o111
        checked = subprocess.run(["sh", "-n"], input=step["run"], text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr


def released(folder: Path, package: str = "1.2.3", chart: str = "1.2.3", heading: str = "1.2.3 - 2026-01-02") -> Path:
    """A tree as it is when a version is about to be released."""
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{package}"\n')
    (folder / "helm/platform-events-exporter").mkdir(parents=True)
    (folder / "helm/platform-events-exporter/Chart.yaml").write_text(f'version: {chart}\nappVersion: "1.2.3"\n')
    (folder / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## Unreleased\n\n## {heading}\n\n- new\n\n## 1.2.2\n\n- old\n"
    )
    return folder


def ran(script: str, argument: str, folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(["sh", FORGE / script, argument], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_a_tag_is_a_version_if_everything_has_it(tmp_path: Path) -> None:
    assert ran("version.sh", "v1.2.3", released(tmp_path)) == (0, "version=1.2.3", "")
    assert ran("notes.sh", "1.2.3", tmp_path) == (0, "- new", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"package": "1.2.2"}, "pyproject.toml: version is 1.2.2, the tag is v1.2.3; make them equal"),
        ({"chart": "0.9.0"}, "Chart.yaml: version is 0.9.0, the tag is v1.2.3; make them equal"),
        ({"heading": "1.2.30"}, "CHANGELOG.md: there is no part 1.2.3; rename Unreleased"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused_with_the_cure(wrong: dict[str, str], said: str, tmp_path: Path) -> None:
    assert ran("version.sh", "v1.2.3", released(tmp_path, **wrong)) == (1, "", said)


@pytest.mark.parametrize("name", ["SECURITY.md", "RELEASING.md", "CODE_OF_CONDUCT.md"])
def test_files_and_targets_that_a_page_of_the_project_names_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    files = set(re.findall(r"(?<![\w/])((?:docs|helm|\.github)/[\w./-]+\.\w+|[A-Z]+\.md)", text))
    assert [one for one in files if not (ROOT / one).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


def test_the_sources_in_the_templates_are_those_that_there_are() -> None:
    from exporter.sources import SOURCES

    for path in (FORGE / "ISSUE_TEMPLATE" / "wrong.yml", FORGE / "ISSUE_TEMPLATE" / "text.yml"):
        body = yaml.safe_load(path.read_text("utf-8"))["body"]
        (source,) = (one for one in body if one.get("id") == "source")
        assert set(source["attributes"]["options"]) - {"none of them"} == set(SOURCES)
