"""The line of the configuration that says where the state is kept, and what is told about a wrong one."""

from pathlib import Path

import pytest

from exporter.model.errors import ConfigError
from exporter.store import StoreUrl, check_store, parse_store

KNOWN = "(known: a path, sqlite:///path, postgresql://user@host/database, :memory:)"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (":memory:", StoreUrl(None)),
        ("/var/lib/x/state.db", StoreUrl(Path("/var/lib/x/state.db"))),
        ("state.db", StoreUrl(Path("state.db"))),
        ("./a:b?c.db", StoreUrl(Path("./a:b?c.db"))),
        ("sqlite:///var/lib/x", StoreUrl(Path("/var/lib/x"))),
        ("sqlite:////var/lib/x", StoreUrl(Path("/var/lib/x"))),
        ("sqlite:state.db", StoreUrl(Path("state.db"))),
        ("SQLite:///a%20b%3F.db", StoreUrl(Path("/a b?.db"))),
        ("sqlite:///x.db?synchronous=full", StoreUrl(Path("/x.db"), "FULL")),
        ("sqlite:///x.db?synchronous=NORMAL", StoreUrl(Path("/x.db"), "NORMAL")),
    ],
)
def test_a_line_names_a_place(url: str, place: StoreUrl) -> None:
    assert parse_store(url) == place


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", f"store: '' names no file {KNOWN}"),
        ("sqlite:", f"store: '' names no file {KNOWN}"),
        ("/var/lib/", f"store: '/var/lib/' names no file {KNOWN}"),
        ("mysql://me:secret@db/x", f"store: 'mysql' is no store this version knows {KNOWN}"),
        ("sqlite://var/lib/x.db", "store: sqlite://var names a host; write sqlite:///var/lib/x.db"),
        ("sqlite:///x?mode=ro", "store: unknown option mode=ro (known: synchronous=normal, synchronous=full)"),
        (
            "sqlite:///x?synchronous=off",
            "store: unknown option synchronous=off (known: synchronous=normal, synchronous=full)",
        ),
    ],
)
def test_a_wrong_line_is_answered_with_what_to_write(url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_store(url)
    assert caught.value.problems == (problem,)


def test_a_folder_that_is_missing_is_told_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_store(f"{tmp_path}/state/x.db")
    assert str(caught.value) == f"store: the folder {tmp_path}/state does not exist; create it or mount a volume there"


def test_a_folder_is_no_state_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_store(f"sqlite://{tmp_path}")
    assert str(caught.value) == f"store: {tmp_path} is not a file; name a file in an existing folder"


def test_a_place_that_can_be_written_is_fine(tmp_path: Path) -> None:
    assert check_store(f"{tmp_path}/x.db") == StoreUrl(tmp_path / "x.db")
    assert check_store(":memory:") == StoreUrl(None)
