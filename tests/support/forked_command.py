"""Runs a command in a process that is forked from one with the program's modules imported.

A start costs most of a short command's time, and nearly all of it are imports. The forked process has its own
environment, working state and output, as a started one has. What a test needs of the start itself, or of a process that
stays, it starts as users do.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    ["exporter.cli.main", "exporter.app.run", "exporter.cli.check", "exporter.cli.backfill"]
)


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Runs the program with ``arguments`` until it ends. Raises TimeoutExpired."""
    command = ["platform-events-exporter", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        child = _FORKING.Process(target=_run, args=(command, dict(environment), out, err))
        child.start()
        child.join(seconds)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(command, seconds, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(command, child.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


def _run(command: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter("default")
    sys.argv = [*command]
    from exporter.cli.main import main

    main()
