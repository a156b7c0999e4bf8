"""A folder as it comes from a phone, a camera, the web, a zip file and an enemy: every file loaded right or named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.awkward_corpus import bad_files, good_files, make_corpus
from tests.trainer.untouched import untouched
from trainer.photos.load import load_photos
from trainer.photos.pixels import read_pixels

ROOT = Path(__file__).parents[2]
ORDINARY_USER = 65534
LOAD_AS_ORDINARY_USER = """
import json, os, sys
from pathlib import Path
from PIL import Image
try:
    import av.video.codeccontext
except ImportError:
    pass
from tests.trainer.fuzz_photos import peak_bytes
from trainer.messages import UserError
from trainer.photos.load import load_photos
Image.init()  # an ordinary user may not be able to read this Python's own folder
folder, user = Path(sys.argv[1]), int(sys.argv[2])
try:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
except PermissionError:
    sys.exit(print(json.dumps({"skip": "root may not become an ordinary user here"})))
try:
    photos = load_photos(folder, recursive=True)
except UserError as error:
    sys.exit(print(json.dumps({"refused": error.message.key})))
print(json.dumps({
    "photos": [photo.path.relative_to(folder).as_posix() for photo in photos.photos],
    "rejected": {file.path.relative_to(folder).as_posix(): file.reason.key for file in photos.rejected},
    "peak_bytes": peak_bytes(),
}))
"""


def load_as_ordinary_user(folder: Path) -> dict[str, Any]:
    """What loading finds in a process of its own that is not root; also how much memory that took."""
    command = [sys.executable, "-W", "ignore", "-c", LOAD_AS_ORDINARY_USER, str(folder), str(ORDINARY_USER)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    if "skip" in found:
        pytest.skip(found["skip"])
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that an ordinary user can enter, unlike pytest's own."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    (place / "照片 of Merlina").mkdir()
    yield place / "照片 of Merlina"
    locked = place / "照片 of Merlina/locked"
    if locked.exists():
        locked.chmod(0o700)
    shutil.rmtree(place)


def test_corpus_is_large_enough() -> None:
    assert len(good_files()) + len(bad_files()) >= 60
    contents = [data for data, *_ in good_files().values()]
    assert len(set(contents)) == len(contents)


needs_rights = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights, nor pipes in folders")


@needs_rights
def test_every_file_is_loaded_or_named_with_its_reason_as_an_ordinary_user(folder: Path) -> None:
    photos, rejected = make_corpus(folder)
    with untouched(folder):
        found = load_as_ordinary_user(folder)
    assert set(found["photos"]) == photos
    assert found["rejected"] == rejected
    assert found["peak_bytes"] < 1_000_000_000


@needs_rights
def test_folder_that_may_not_be_entered_is_refused(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0)
    assert load_as_ordinary_user(folder / "locked") == {"refused": "photos.folder_forbidden"}
    assert load_as_ordinary_user(folder / "locked/in it") == {"refused": "photos.folder_forbidden"}


def test_every_photo_is_read_right_and_nothing_is_touched(folder: Path) -> None:
    for name, (data, *_) in good_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with untouched(folder):
        photos = load_photos(folder, recursive=True)
        assert not photos.rejected and len(photos.photos) == len(good_files())
        wrong = []
        for photo in photos.photos:
            _, size, color = good_files()[photo.path.relative_to(folder).as_posix()]
            pixels_HWC = np.asarray(read_pixels(photo.path), dtype=float)
            right_size = (photo.width_px, photo.height_px) == pixels_HWC.shape[1::-1] == size
            if not right_size or np.abs(pixels_HWC - color).max() > 4:
                wrong.append((photo.path.name, pixels_HWC.shape, pixels_HWC.mean((0, 1)), color))
        assert wrong == []
