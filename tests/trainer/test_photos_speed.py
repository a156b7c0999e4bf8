"""Speed: time grows with the number of photos and no faster, nothing is done twice, Cancel is heard at any photo."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.trainer.photo_speed import make_photos, prepare
from trainer.messages import Message
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.tools import NO_TOOLS, CleanTools
from trainer.photos.load import load_photos
from trainer.photos.threads import in_threads

pytest.importorskip("skimage")


class Stopped(Exception):
    """What a host raises from progress when the user presses Cancel."""


def test_time_per_photo_does_not_grow_with_their_number(tmp_path: Path) -> None:
    make_photos(tmp_path / "warm/photos", 2, (400, 300), seed=1)
    prepare(tmp_path / "warm", CleanConfig(), NO_TOOLS)
    per_photo_s = []
    for num_photos in (8, 32):
        make_photos(tmp_path / f"{num_photos}/photos", num_photos, (400, 300))
        spent = prepare(tmp_path / f"{num_photos}", CleanConfig(), NO_TOOLS)
        per_photo_s.append(spent.cpu_s / num_photos)
    assert per_photo_s[1] < 1.5 * per_photo_s[0]


def test_second_run_takes_a_small_part_of_the_first(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 3, (1600, 1200))
    first, again = (prepare(tmp_path, CleanConfig(), NO_TOOLS) for _ in range(2))
    assert again.cpu_s < 0.2 * first.cpu_s


def test_progress_names_every_photo_while_it_is_at_work(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 3, (320, 240))
    photos = load_photos(tmp_path / "photos", recursive=False)
    seen: list[tuple[int, int, Message]] = []
    clean_photos(
        photos, CleanConfig(), tmp_path / "work", progress=lambda done, total, doing: seen.append((done, total, doing))
    )
    cleaning = [
        (done, total, str(doing.values["name"])) for done, total, doing in seen if doing.key == "photos.doing_clean"
    ]
    assert {name for _, _, name in cleaning} == {f"IMG_{index:04}.jpg" for index in range(3)}
    assert cleaning == sorted(cleaning) and cleaning[-1][:2] == (3, 3)
    assert any(doing.key == "photos.doing_look" for _, _, doing in seen)


@pytest.mark.parametrize("stage", ["photos.doing_look", "photos.doing_clean"])
def test_cancel_at_any_photo_leaves_what_is_done_whole_and_the_next_run_goes_on(stage: str, tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 6, (320, 240))
    photos = load_photos(tmp_path / "photos", recursive=False)

    def stop(done: int, total: int, doing: Message) -> None:
        if doing.key == stage and done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        clean_photos(photos, CleanConfig(), tmp_path / "work", progress=stop)
    assert not list((tmp_path / "work").rglob("*.tmp"))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("*.png")}
    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work")
    assert len(cleaned.photos) == 6
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_cancel_is_heard_while_one_photo_takes_long() -> None:
    """Not only between photos: a slow model must not hold the user up, and nothing is at work after the Cancel."""
    at_work, started_s = threading.Semaphore(0), time.perf_counter()

    def work(one: int) -> int:
        at_work.release()
        time.sleep(1.0)
        at_work.acquire()
        return one

    def stop(done: int, total: int, doing: Message) -> None:
        if time.perf_counter() - started_s > 0.3:
            raise Stopped

    with pytest.raises(Stopped):
        in_threads(work, range(100), stop)
    assert time.perf_counter() - started_s < 5
    assert not at_work.acquire(blocking=False)


def test_first_error_stops_what_has_not_begun() -> None:
    begun = []

    def work(one: int) -> None:
        begun.append(one)
        time.sleep(0.05)
        if one == 1:
            raise ValueError(one)

    with pytest.raises(ValueError):
        in_threads(work, range(200))
    assert len(begun) < 50


@pytest.mark.slow
def test_eighty_photos_of_12_megapixels_take_less_than_a_gigabyte_and_90_seconds_on_two_idle_cores(
    tmp_path: Path,
) -> None:
    from trainer.cli.prepare import installed_tools

    make_photos(tmp_path / "photos", 80)
    tools: CleanTools = installed_tools(CleanConfig(), with_faces=True)
    first, again = (prepare(tmp_path, CleanConfig(), tools) for _ in range(2))
    assert first.num_kept == first.num_photos == 80
    assert first.peak_mb < 1000 and again.peak_mb < 1000
    assert first.wall_s < 90 and again.wall_s < 3
