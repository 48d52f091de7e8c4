"""Breaks guarded lines one by one in a copy of the project, and says which break no test noticed: python -m tests.mutations."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parent.parent
PATIENCE = 600.0  # seconds for the tests of one break


class Mutation(NamedTuple):
    """A line of a file, and what it becomes; one of the runs of ``tests`` must fail."""

    law: str
    file: str
    line: str
    into: str
    tests: list[str]

    def broken(self, text: str) -> str:
        """The file with the line broken. Raises ValueError unless the line stands there exactly once."""
        lines = text.split("\n")
        if lines.count(self.line) != 1:
            raise ValueError(f"{self.file}: the line stands there {lines.count(self.line)} times: {self.line.strip()}")
        return "\n".join(self.into if line == self.line else line for line in lines)


def listed() -> list[Mutation]:
    """The mutations of mutations.yaml."""
    text = (ROOT / "tests" / "mutations.yaml").read_text("utf-8")
    return [Mutation(**one) for one in yaml.safe_load(text)]


def copied(folder: Path) -> None:
    """Everything that is committed or could be, without the history."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


def fails(folder: Path, tests: str) -> bool:
    """Whether a run of tests notices something. Raises RuntimeError if it could not even begin."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{tests}: pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def noticed(folder: Path, mutation: Mutation) -> str:
    """The first run of tests that notices the break, or ""."""
    path = folder / mutation.file
    good = path.read_text("utf-8")
    path.write_text(mutation.broken(good), "utf-8")
    try:
        return next((tests for tests in mutation.tests if fails(folder, tests)), "")
    finally:
        path.write_text(good, "utf-8")


def main() -> int:
    """Tries all, or those whose law or file holds a word given on the command line; 1 if a break went unnoticed."""
    words = sys.argv[1:]
    chosen = [one for one in listed() if not words or any(word in f"{one.law} {one.file}" for word in words)]
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        copied(Path(name))
        for mutation in chosen:
            began = time.monotonic()
            by = noticed(Path(name), mutation)
            missed += not by
            verdict = f"noticed by {by}" if by else "NOT NOTICED"
            print(f"{time.monotonic() - began:5.1f} s  law {mutation.law}: {mutation.file}: {verdict}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
