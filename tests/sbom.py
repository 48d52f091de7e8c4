"""``python -m tests.sbom FILE``: the bill of materials of the lock, with the licence of every package.

The lock has every package for every platform with its hashes, and no licences. Installed packages declare theirs.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

LOCK, PROJECT = "requirements/run.txt", "pyproject.toml"
CLASSIFIER = "License :: "


def licences(name: str) -> list[dict[str, Any]]:
    """Return what an installed package declares, as CycloneDX writes it; nothing of a package that is not installed."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return []
    if expressions := said.get_all("License-Expression"):
        return [{"expression": expressions[0]}]
    classifiers = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if one.startswith(CLASSIFIER)]
    names = classifiers or [text.splitlines()[0] for text in said.get_all("License") or () if text.strip()]
    return [{"license": {"name": name}} for name in names]


def main(path: Path) -> None:
    """Write the bill; name every package without a licence."""
    arguments = ("requirements", LOCK, "--pyproject", PROJECT, "--of", "JSON", "--output-reproducible", "-o", str(path))
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *arguments], check=True)
    bill = json.loads(path.read_text("utf-8"))
    for part in bill["components"]:
        if found := licences(part["name"]):
            part["licenses"] = found
        else:
            print(f"{part['name']}: no licence is known; it is not installed here, or declares none")
    path.write_text(json.dumps(bill, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
