"""Real photographs, as scikit-image and scikit-learn ship them, go from the folder to captions as they come."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.files import file_hash
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.pixels import read_pixels
from trainer.photos.report.sheet import contact_sheet
from trainer.photos.report.text import describe

PHOTOGRAPHS = {
    "skimage": ["data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/rocket.jpg", "data/camera.png",
                "data/retina.jpg"],
    "sklearn": ["datasets/images/china.jpg", "datasets/images/flower.jpg"],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photographs, copied byte for byte."""
    folder = tmp_path_factory.mktemp("photographs")
    for package, names in PHOTOGRAPHS.items():
        found = importlib.util.find_spec(package)  # found, not imported: their pictures are all that is needed
        if found is None or found.origin is None:
            pytest.skip(f"{package} is not installed: pip install scikit-image scikit-learn")
        for name in names:
            shutil.copy(Path(found.origin).parent / name, folder)
    return folder


def test_real_photographs_go_from_folder_to_captions_untouched(folder: Path, tmp_path: Path) -> None:
    before = {path: (file_hash(path), path.stat().st_mtime_ns) for path in folder.iterdir()}
    photos = load_photos(folder, recursive=False)
    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work")
    dataset = caption_photos(cleaned, CaptionConfig(subject="Eileen"))

    assert len(photos.photos) == sum(map(len, PHOTOGRAPHS.values())) and not photos.rejected
    for photo, captioned in zip(photos.photos, dataset.photos, strict=True):
        copy = captioned.photo
        assert captioned.caption == "a photo of Eileen"
        assert max(copy.width_px, copy.height_px) == min(1024, max(photo.width_px, photo.height_px))
        assert abs(copy.width_px / copy.height_px - photo.width_px / photo.height_px) < 0.01
        # The same picture: about the same mean color as the original, seen small.
        means = [np.asarray(read_pixels(path).resize((8, 8))).mean((0, 1)) for path in (photo.path, copy.path)]
        assert np.abs(means[0] - means[1]).max() < 2
    assert {path: (file_hash(path), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_report_and_contact_sheet_show_real_photographs(folder: Path) -> None:
    photos = load_photos(folder, recursive=False)
    assert "1411 x 1411" in describe(photos, "en") and "1411 x 1411" in describe(photos, "zh")
    sheet = np.asarray(contact_sheet(photos, thumb_px=96))
    assert sheet.std() > 40
