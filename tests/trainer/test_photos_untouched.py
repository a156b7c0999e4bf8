"""The whole line, from the most awkward folder to captions, leaves the user's files as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.awkward_corpus import make_corpus
from tests.trainer.untouched import untouched
from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.folder import shown_path
from trainer.photos.load import load_photos
from trainer.photos.report.sheet import contact_sheet
from trainer.photos.report.text import describe


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_whole_line_leaves_the_users_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "照片 of Merlina"
    folder.mkdir()
    make_corpus(folder)
    with untouched(folder):
        photos = load_photos(folder, recursive=True)
        cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work")
        left_out = {one.photo.source_path for one in cleaned.set_aside}
        assert {photo.source_path for photo in cleaned.photos} | left_out == {photo.path for photo in photos.photos}
        for photo in cleaned.photos:
            with Image.open(photo.path) as copy:
                assert copy.mode == "RGB" and copy.size == (photo.width_px, photo.height_px)
        for one in (photos, cleaned):
            caption_photos(one, CaptionConfig(subject="小美"))
            contact_sheet(one, thumb_px=48)
            text = describe(one, "zh")
            assert all(shown_path(file.path, folder) in text for file in photos.rejected)
