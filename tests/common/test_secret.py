"""A secret follows its file and never shows itself."""

import copy
import json
import logging
import os
import traceback
from pathlib import Path

import pytest

from exporter.common.secret import Secret
from exporter.model.errors import SourceDenied

VALUE = "correct-horse-battery"


def test_a_secret_gives_its_value_only_when_asked() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret("").reveal() == ""


def test_a_file_is_read_without_the_newline_that_editors_leave(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    path.write_text(f"{VALUE}\r\n", "utf-8")
    assert Secret(path=path).reveal() == VALUE


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    path.write_text("old", "utf-8")
    secret = Secret(path=path)
    assert secret.reveal() == "old"
    path.write_text("new", "utf-8")
    os.utime(path, ns=(1, 1))
    assert secret.reveal() == "new", "same size, other time"
    times = path.stat()
    path.write_text("longer", "utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert secret.reveal() == "longer", "same time, other size"


def test_a_swapped_symbolic_link_is_followed_as_kubernetes_swaps_it(tmp_path: Path) -> None:
    """A mounted secret is a link into ``..data``, which is a link to a dated folder and is replaced as a whole."""
    for name in ("old", "new"):
        folder = tmp_path / f"..2026_{name}"
        folder.mkdir()
        (folder / "sk").write_text(name, "utf-8")
        os.utime(folder / "sk", ns=(1, 1))
    (tmp_path / "..data").symlink_to("..2026_old")
    (tmp_path / "sk").symlink_to("..data/sk")
    secret = Secret(path=tmp_path / "sk")
    assert secret.reveal() == "old"
    (tmp_path / "..data_tmp").symlink_to("..2026_new")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert secret.reveal() == "new", "same size and time, another file"


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    path.write_text("one", "utf-8")
    os.utime(path, ns=(1, 1))
    secret = Secret(path=path)
    assert secret.reveal() == "one"
    path.write_text("two", "utf-8")
    os.utime(path, ns=(1, 1))
    assert secret.reveal() == "one", "what looks unchanged is taken as such"


def test_a_file_that_goes_away_says_so_and_may_come_back(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    secret = Secret(path=path)
    with pytest.raises(SourceDenied) as caught:
        secret.reveal()
    assert (
        str(caught.value)
        == f"{path}: cannot read the secret (No such file or directory); mount it, or correct its path"
    )
    path.write_text(VALUE, "utf-8")
    assert secret.reveal() == VALUE
    path.unlink()
    with pytest.raises(SourceDenied):
        secret.reveal()


def test_a_file_that_is_no_text_says_so_without_showing_any(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    path.write_bytes(VALUE.encode() + b"\xff")
    with pytest.raises(SourceDenied) as caught:
        Secret(path=path).reveal()
    assert str(caught.value) == f"{path}: cannot read the secret (UnicodeDecodeError); mount it, or correct its path"
    assert caught.value.__suppress_context__
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert VALUE not in shown


def test_a_secret_never_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(VALUE)
    logging.getLogger("test").warning("%s %r", secret, secret)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>20}",
        repr([secret]),
        repr({"k": secret}),
    ]
    shown += [repr(copy.copy(secret)), repr(vars(secret).keys()), caplog.text]
    assert not any(VALUE in text for text in shown)
    assert str(secret) == "Secret(***)"
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("pipe", "not a regular file); name a small text file"),
        ("device", "not a regular file); name a small text file"),
        ("large", "larger than 64 kB); name a small text file"),
        ("directory", "Is a directory); mount it, or correct its path"),
        ("bytes", "UnicodeDecodeError); mount it, or correct its path"),
    ],
)
def test_only_a_small_regular_file_is_a_secret(kind: str, why: str, tmp_path: Path) -> None:
    """A pipe without a writer would hang the process, a device would fill its memory."""
    path = tmp_path / "sk"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"k" * 65_537 if kind == "large" else b"\xff\xfe")
    with pytest.raises(SourceDenied) as caught:
        Secret(path=path).reveal()
    assert str(caught.value) == f"{path}: cannot read the secret ({why}"


def test_a_secret_may_be_as_large_as_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "sk"
    path.write_text("k" * 65_536)
    assert len(Secret(path=path).reveal()) == 65_536
