"""Files: names that every system accepts, and writing that leaves the old file or the whole new one."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from trainer.files import (
    file_hash,
    put_in_place,
    remove_unfinished,
    safe_name,
    slug,
    write_folder_whole,
    write_text_whole,
    write_whole,
)
from trainer.messages import UserError

GOOD_NAMES = [
    "merlina", "小美 2", "Ünïcode", "a.b", "v1.0", "😀", "con1", "console", " spaced ", "con", "COM1.txt", "nul .txt",
    "what?", 'a"b', "a:b", "a<b>|c*", "tab\there", "dots...", "dot .", "x" * 300, "小" * 300, "a" * 79 + ".b",
    ".hidden", "CONIN$", "\u200bzero",
]  # fmt: skip
BAD_NAMES = ["", "  ", ".", "..", "...", "a/b", "../b", "a\\b", "C:\\x", "/", "\n"]
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)\s*(\..*)?", re.IGNORECASE)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_safe_names_are_accepted_by_windows_too(name: str, tmp_path: Path) -> None:
    safe = safe_name(name)
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', safe)
    assert safe == safe.strip() and not safe.endswith(".")
    assert not RESERVED.fullmatch(safe)
    assert 0 < len(safe.encode("utf-8")) <= 81
    (tmp_path / safe).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [safe]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_safe_name_is_safe_already(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@pytest.mark.parametrize("name", ["merlina", "小美 2", "a.b", "v1.0"])
def test_harmless_names_stay_as_they_are(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_with_a_path_or_with_nothing_in_them_are_refused(name: str) -> None:
    with pytest.raises(UserError) as refused:
        safe_name(name)
    assert refused.value.message.key == "files.bad_name"


def test_slugs_are_plain_ascii_and_tell_names_apart() -> None:
    names = [*GOOD_NAMES, *BAD_NAMES, "Merlina", "小美", "小美2"]
    assert len({slug(name) for name in names}) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", slug(name)) for name in names)


def test_file_is_written_whole_with_its_folders(tmp_path: Path) -> None:
    write_text_whole(tmp_path / "a/b/c.txt", "小美\n")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "小美\n".encode()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.txt"]


def test_empty_text_is_written_too(tmp_path: Path) -> None:
    write_text_whole(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").read_bytes() == b""


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), OSError(errno.EIO, "broken disk")])
def test_writer_that_fails_half_way_leaves_the_old_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert path.read_text() == "old"
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)])
def test_full_disk_is_said_and_leaves_the_old_file(code: int, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half of the n")
        raise OSError(code, os.strerror(code))

    with pytest.raises(UserError) as refused:
        write_whole(path, write)
    assert refused.value.message.key == "files.disk_full" and str(path) in str(refused.value)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_really_full_disk_is_said(tmp_path: Path) -> None:
    def write(temporary: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(UserError) as refused:
        write_whole(tmp_path / "a.bin", write)
    assert refused.value.message.key == "files.disk_full" and not list(tmp_path.iterdir())


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    def fill(*names: str) -> object:
        return lambda folder: [(folder / name).write_text(name) for name in names]

    write_folder_whole(tmp_path / "state", fill("a", "b"))
    write_folder_whole(tmp_path / "state", fill("c"))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["c"]


def test_folder_writer_that_fails_half_way_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/old").touch()

    def fill(folder: Path) -> None:
        (folder / "new").touch()
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        write_folder_whole(tmp_path / "state", fill)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["state", "state/old"]


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".abc.tmp").touch()
    (tmp_path / ".def.tmp").mkdir()
    (tmp_path / ".def.tmp/half").touch()
    for name in ("a.tmp", ".hidden", "a.txt"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    remove_unfinished(tmp_path / "no such folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "a.tmp", "a.txt"]


def test_file_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("times", [0, 2, 3])
def test_a_file_that_another_program_has_open_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Windows alone refuses to move a file over an open one."""
    old, new, real, refused = tmp_path / "old", tmp_path / "new", os.replace, []

    def replace(source: Path, target: Path) -> None:
        if len(refused) < times:
            refused.append(source)
            raise PermissionError(13, "The process cannot access the file because it is being used")
        real(source, target)

    old.write_text("old")
    new.write_text("new")
    monkeypatch.setattr(os, "replace", replace)
    if times < 3:
        put_in_place(new, old, waits_s=(0.001, 0.001))
        assert old.read_text() == "new" and not new.exists()
    else:
        with pytest.raises(PermissionError):
            put_in_place(new, old, waits_s=(0.001, 0.001))
        assert old.read_text() == "old" and new.read_text() == "new"
