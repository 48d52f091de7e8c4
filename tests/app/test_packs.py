"""Which mapping packs an exporter reads: those of the sources that it watches, or that a file of its user is for."""

from pathlib import Path

import pytest

from exporter.app.packs import examine_packs, read_packs
from exporter.config import load
from exporter.mapping.loader import built_in
from exporter.model.errors import ConfigError
from exporter.sources import SOURCES
from tests.support.rig import configured

MINE = "mapping: 1\nsource: pai_dlc\nrules:\n  - {id: mine, shape: hello}\n"
WATCHING = """
targets:
  - {name: a, platform: huaweicloud, region: cn-north-4, credentials: {metadata: true}, sources: {dws: {}}}
mappings: ["*.yml"]
"""


def sources(folder: Path, *files: str) -> dict[str, list[str]]:
    """Return the first rules of each pack of an exporter that watches DWS and has these mapping files."""
    for number, text in enumerate(files):
        (folder / f"{number}.yml").write_text(text)
    config = folder / "exporter.yaml"
    config.write_text(WATCHING if files else WATCHING.partition("mappings")[0])
    return {pack.source: [rule.id for rule in pack.rules[:2]] for pack in read_packs(load(config, environ={}, sets=()))}


def test_the_packs_of_watched_sources_are_read_and_no_others(tmp_path: Path) -> None:
    assert [*sources(tmp_path)] == ["dws"]
    everything = read_packs(configured("http://127.0.0.1:1", tmp_path))
    assert {pack.source for pack in everything} == set(SOURCES)


def test_a_file_of_another_source_has_the_built_in_pack_below_it(tmp_path: Path) -> None:
    found = sources(tmp_path, MINE)
    first = examine_packs((), {"pai_dlc"}, [str(path) for path in built_in()])[0][0].rules[0].id
    assert (set(found), found["pai_dlc"]) == ({"dws", "pai_dlc"}, ["mine", first])


@pytest.mark.parametrize("text", ["source: [pai_dlc]\n", "- 1\n", "source: nobody\n", ""])
def test_a_file_that_is_for_no_source_is_told_all_the_same(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"0\.yml:1: "):
        sources(tmp_path, text)
