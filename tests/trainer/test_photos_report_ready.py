"""What a report is about: every photo is judged once, by whoever can, and the user's word is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.report_photos import make_file
from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.messages import Message
from trainer.photos.faces.mtcnn import installed_face_detector
from trainer.photos.load import load_photos
from trainer.photos.memo import Memo
from trainer.photos.photo import Face, PhotoSet, SetAside
from trainer.photos.report.ready import make_ready
from trainer.photos.report.report import make_report
from trainer.photos.threads import unheard


@pytest.fixture
def photos(tmp_path: Path) -> PhotoSet:
    """A photo of a person, its copy in half the size, and a plain picture."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path / "photos"
    folder.mkdir()
    person = Image.fromarray(data.astronaut())
    person.save(folder / "a.png")
    person.resize((256, 256)).save(folder / "half.png")
    make_file(folder / "z.png", (90, 120, 150))
    return load_photos(folder, recursive=False)


def test_photos_straight_from_the_folder_are_judged(photos: PhotoSet) -> None:
    ready = make_ready(photos, None, Memo(None), unheard)
    assert all(photo.judgement and photo.judgement.quality for photo in ready.photos.photos)
    assert len(ready.photos.photos) == 3 and ready.captions is None


def test_copies_are_found_and_none_is_left_out(photos: PhotoSet) -> None:
    ready = make_ready(photos, None, Memo(None), unheard)
    noted = {photo.path.name: [message.key for message in photo.done] for photo in ready.photos.photos}
    assert noted == {"a.png": [], "half.png": ["photos.near_duplicate_found"], "z.png": []}


def test_photos_that_were_judged_are_not_judged_again(photos: PhotoSet) -> None:
    once = make_ready(photos, None, Memo(None), unheard)
    for photo in photos.photos:
        photo.path.unlink()
    assert make_ready(once.photos, None, Memo(None), unheard) == once


def test_a_detector_looks_where_nobody_could_and_keeps_what_the_user_has_said(photos: PhotoSet) -> None:
    detector = installed_face_detector()
    if detector is None:
        pytest.skip("facenet-pytorch is not installed")
    blind = make_ready(photos, None, Memo(None), unheard).photos
    first = blind.photos[0]
    assert first.judgement and first.judgement.detector == "none"
    said = dataclasses.replace(first.judgement, manner="posed", shot="full body", labelled=("shot", "manner"))
    told = dataclasses.replace(blind, photos=(dataclasses.replace(first, judgement=said), *blind.photos[1:]))
    seen = make_ready(told, detector, Memo(None), unheard).photos.photos[0].judgement
    assert seen and seen.detector == detector.name and len(seen.faces) >= 1
    assert (seen.shot, seen.manner, set(seen.labelled)) == ("full body", "posed", {"shot", "manner"})


class Finder:
    """A face detector that finds a face in every picture."""

    name = "finder"

    def find(self, view: Image.Image) -> tuple[Face, ...]:
        """One face in the middle."""
        return (Face(box=(0.4, 0.4, 0.6, 0.6), confidence=0.99),)


def test_a_detector_does_not_overrule_the_user_who_says_that_there_is_no_face(
    photos: PhotoSet,
) -> None:
    blind = make_ready(photos, None, Memo(None), unheard).photos
    first = blind.photos[0]
    assert first.judgement is not None
    said = dataclasses.replace(first.judgement, labelled=("faces",))
    told = dataclasses.replace(blind, photos=(dataclasses.replace(first, judgement=said), *blind.photos[1:]))
    seen = [photo.judgement for photo in make_ready(told, Finder(), Memo(None), unheard).photos.photos]
    assert [len(judgement.faces) for judgement in seen if judgement] == [0, 1, 1]


def test_a_dataset_still_knows_what_was_left_out_before_it(photos: PhotoSet, tmp_path: Path) -> None:
    aside = SetAside(photo=photos.photos[-1], reason=Message("photos.left_out_by_hand"), by_hand=True)
    cleaned = dataclasses.replace(photos, photos=photos.photos[:2], set_aside=(aside,), looked_for=("crop",))
    dataset = caption_photos(cleaned, CaptionConfig(subject="Ada"))
    ready = make_ready(dataset, None, Memo(None), unheard)
    assert ready.photos.set_aside == (aside,) and "crop" in ready.photos.looked_for
    assert ready.captions and ready.captions.num_alike == 2
    report = make_report(dataset, None, Memo(None), "en")
    assert "z.png" in report.text and "[x] Captions" in report.text and report.picture.width == 1600
