"""Crops of real photos of people: the whole detected face is in every one, and the detector finds it there again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.face_scores import labelled_pictures
from trainer.photos.boxes import area, contains, inside, intersection
from trainer.photos.cleaning.borders import trim_borders
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.crop import crop_to_subject
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.export import cut_and_scale, whole_pixels
from trainer.photos.cleaning.tools import NO_TOOLS
from trainer.photos.edits import NO_EDIT
from trainer.photos.faces.detector import FaceDetector
from trainer.photos.faces.mtcnn import installed_face_detector
from trainer.photos.judging.framing import shot_of, subject_first
from trainer.photos.photo import WHOLE, Box, Judgement, Photo

SMALL = CleanConfig(min_side_px=256)
"""The pictures that packages bring are about 400 pixels wide."""


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    found = installed_face_detector()
    if found is None:
        pytest.skip("facenet-pytorch is not installed: pip install --no-deps facenet-pytorch")
    return found


def framed(picture: Image.Image, detector: FaceDetector) -> Draft | None:
    """The picture after borders and crop; None where no face is sure."""
    faces = subject_first(detector.find(picture), NO_EDIT)
    if not faces or not faces[0].is_sure:
        return None
    photo = Photo(
        path=Path("a"), source_path=Path("a"), width_px=picture.width, height_px=picture.height, content_hash=""
    )
    judgement = Judgement(detector=detector.name, faces=faces)
    draft = trim_borders(Draft(photo=photo, edit=NO_EDIT, view=picture, judgement=judgement), SMALL, NO_TOOLS)
    return crop_to_subject(draft, SMALL, NO_TOOLS)


def check(picture: Image.Image, detector: FaceDetector, name: str) -> bool:
    """Hold a picture's crop to the promises; whether it was cropped."""
    draft = framed(picture, detector)
    if draft is None or draft.frame == WHOLE:
        return False
    face = draft.face
    assert face is not None
    frame = whole_pixels(draft.frame, *picture.size)
    seen = intersection(face, WHOLE)
    assert seen is not None and contains(frame, seen), name
    again = detector.find(cut_and_scale(picture, frame, 1024))
    assert max((overlap(one.box, inside(face, frame)) for one in again), default=0) > 0.5, name
    if draft.done[-1].key == "photos.cropped" and len(draft.done) == 1:
        whole = draft.judgement.faces[0]
        assert shot_of(whole) == shot_of(dataclasses.replace(whole, box=inside(face, frame))), name
    return True


def overlap(one: Box, other: Box) -> float:
    shared = intersection(one, other)
    return area(shared) / (area(one) + area(other) - area(shared)) if shared else 0.0


def people(step: int) -> Iterator[tuple[str, Image.Image]]:
    pictures = labelled_pictures("people")[::step]
    if not pictures:
        pytest.skip("the labelled pictures are not installed: pip install comfyui-workflow-templates")
    for label, path in pictures:
        with Image.open(path) as image:
            yield label["file"], image.convert("RGB")


def test_astronaut_anywhere_in_a_wide_picture_is_cropped_with_her_whole_face(detector: FaceDetector) -> None:
    data = pytest.importorskip("skimage.data")
    person = Image.fromarray(data.astronaut())
    for place, side_px in (((0, 0), 512), ((512, 256), 512), ((100, 300), 400), ((700, 150), 300)):
        picture = Image.new("RGB", (1024, 768), (96, 110, 90))
        picture.paste(person.resize((side_px, side_px), Image.Resampling.LANCZOS), place)
        assert check(picture, detector, str(place))


def test_crops_of_labelled_people_keep_their_faces(detector: FaceDetector) -> None:
    for name, picture in people(5):
        check(picture, detector, name)


@pytest.mark.slow
def test_crops_of_all_labelled_people_keep_their_faces(detector: FaceDetector) -> None:
    assert sum([check(picture, detector, name) for name, picture in people(1)]) >= 5
