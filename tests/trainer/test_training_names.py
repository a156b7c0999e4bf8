"""Run names: any name is made a folder name for every system, Chinese too; a path in a name is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.files import safe_name, slug
from trainer.messages import UserError, sentence
from trainer.training.keeping.runs import describe_run, finished_run

FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}
RESERVED = ["con", "CON", "Prn", "aux", "NUL", "com1", "COM9", "lpt1", "nul.txt", "con.tar.gz", "con .txt"]
GOOD = [
    "Ada",
    "ada lovelace",
    "小雅",
    "雅-2",
    "Zoë",
    "v1.5",
    "a_b",
    "[trigger]",
    "*?",
    "name\n",
    "a:b",
    "'quoted'",
    "x" * 300,
]
GOOD += ["雅" * 100, " .x"]


@pytest.mark.parametrize("name", [*GOOD, *RESERVED, "name.", "name. . ", "  spaced  ", ".hidden", "-flag", "100%"])
def test_a_safe_name_is_accepted_by_every_system_and_stays_itself(name: str) -> None:
    safe = safe_name(name)
    assert safe and not FORBIDDEN & set(safe)
    assert safe == safe.strip() and not safe.endswith(".") and safe not in (".", "..")
    assert safe.partition(".")[0].rstrip().lower() not in {"con", "prn", "aux", "nul", "com1", "com9", "lpt1"}
    assert len(safe.encode()) <= 80
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["Ada", "小雅", "雅 (2)", "v1.5", "[x]", "Zoë"])
def test_a_name_that_is_safe_is_left_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "\t", ".", "..", "...", "a/b", "a\\b", "../x", "/etc", "C:\\x", "a/..", "/"])
def test_paths_and_nothings_are_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        safe_name(name)
    assert caught.value.message.key == "files.bad_name"
    assert repr(name.strip()) in sentence(caught.value.message, "en")


def test_a_name_that_no_file_system_can_store_is_refused() -> None:
    with pytest.raises(UserError):
        safe_name("half a letter \ud83d")


def test_slugs_are_ascii_and_never_meet() -> None:
    slugs = [slug(name) for name in ("小雅", "小丽", "Ada", "ada", "a b", "a-b", "", "x" * 300)]
    assert len(set(slugs)) == len(slugs)
    assert all(text.isascii() and text.replace("-", "").isalnum() and len(text) <= 60 for text in slugs)


@pytest.mark.parametrize("name", ["../out", "a/b", "..", "a\\b"])
def test_a_run_with_a_path_in_its_name_writes_nothing(
    make_job: Callable, run_through: Callable, tmp_path: Path, name: str
) -> None:
    job = make_job(run_name=name)
    for refuse in (lambda: describe_run(job), lambda: finished_run(job), lambda: run_through(job)):
        with pytest.raises(UserError) as caught:
            refuse()
        assert caught.value.message.key == "files.bad_name" and repr(name) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "folder"), [("", "Ada"), ("小雅 第一次", "小雅 第一次"), ("aux", "_aux"), ("a[1]*", "a[1]_")]
)
def test_a_run_lies_under_its_name_made_safe_and_is_found_again(
    make_job: Callable, run_through: Callable, name: str, folder: str
) -> None:
    job = make_job(run_name=name, total_steps=2, save_every=1)
    checkpoints = run_through(job)[-1].checkpoints
    assert checkpoints.run_name == (name or "Ada") and checkpoints.run_dir == job.runs_dir / folder
    paths = [checkpoint.path for checkpoint in checkpoints.checkpoints]
    assert paths == [job.loras_dir / folder / f"{folder}_{step:09d}.safetensors" for step in (1, 2)]
    assert all(path.is_file() for path in paths) and finished_run(job) == checkpoints


def test_other_loras_in_the_folder_are_neither_counted_nor_deleted(make_job: Callable, run_through: Callable) -> None:
    job = make_job(total_steps=4, save_every=1, checkpoints_to_keep=1)
    folder = job.loras_dir / "ada"
    folder.mkdir(parents=True)
    others = ["ada_best.safetensors", "ada_1.safetensors", "ada_2_000000001.safetensors.bak", "notes.txt"]
    others += ["b_000000001.safetensors", "ada_000000001.txt"]
    for name in others:
        (folder / name).write_bytes(b"mine")
    run_through(job)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, "ada_000000004.safetensors"])
