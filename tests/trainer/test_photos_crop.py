"""The subject's crop, as laws over random faces and frames: the whole face, the kind of shot and enough pixels stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.photos.boxes import area, contains, inside, intersection
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.crop import crop_to_subject, subject_frame
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.tools import NO_TOOLS
from trainer.photos.edits import NO_EDIT, PhotoEdit
from trainer.photos.judging.framing import shot_of
from trainer.photos.photo import WHOLE, Box, Face, Judgement, Photo

PHOTO_PX = (4000, 3000)


def face_at(middle_x: float, top: float, height: float, photo_px: tuple[int, int] = PHOTO_PX) -> Face:
    """A face of usual shape; places are shares of the photo."""
    half = 0.4 * height * photo_px[1] / photo_px[0]
    return Face(box=(middle_x - half, top, middle_x + half, top + height), confidence=1.0)


def random_cases(num: int) -> Iterator[tuple[Face, Box, tuple[int, int]]]:
    """Faces anywhere, some cut off by the rim, in photos of any shape, some with a frame that is not the whole."""
    draw = np.random.default_rng(7)
    for _ in range(num):
        photo_px = (int(draw.integers(200, 6000)), int(draw.integers(200, 6000)))
        height = float(np.exp(draw.uniform(np.log(0.03), np.log(0.9))))
        face = face_at(float(draw.uniform(-0.05, 1.05)), float(draw.uniform(-0.1, 1 - height / 2)), height, photo_px)
        rims = draw.uniform(0, 0.2, 4) if draw.random() < 0.5 else np.zeros(4)
        yield face, (float(rims[0]), float(rims[1]), 1 - float(rims[2]), 1 - float(rims[3])), photo_px


def seen(face: Face, frame: Box) -> Face:
    return dataclasses.replace(face, box=inside(face.box, frame))


def test_every_crop_keeps_what_was_there_of_the_face_and_the_kind_of_shot() -> None:
    num_cropped = 0
    for face, frame, photo_px in random_cases(3000):
        crop = subject_frame(face, frame, photo_px, 256)
        assert contains(frame, crop)
        part = intersection(face.box, frame)
        assert part is None or contains(crop, part)
        assert shot_of(seen(face, crop)) == shot_of(seen(face, frame))
        num_cropped += crop != frame
    assert num_cropped > 500


def test_no_crop_is_shorter_than_asked_unless_the_frame_was() -> None:
    for face, frame, photo_px in random_cases(1000):
        crop = subject_frame(face, frame, photo_px, 768)
        longest_px = max((crop[2] - crop[0]) * photo_px[0], (crop[3] - crop[1]) * photo_px[1])
        assert crop == frame or longest_px >= 768


def test_hair_and_chin_stay_where_they_are_in_the_picture() -> None:
    for face, frame, photo_px in random_cases(1000):
        crop = subject_frame(face, frame, photo_px, 256)
        height = face.box[3] - face.box[1]
        if intersection(face.box, frame):
            assert crop[1] <= max(frame[1], face.box[1] - 0.45 * height)
            assert crop[3] >= min(frame[3], face.box[3] + 0.2 * height)


@pytest.mark.parametrize(("height", "shot"), [(0.6, "close-up"), (0.12, "medium"), (0.04, "full body")])
def test_wide_margins_go_and_the_crop_has_a_usual_shape(height: float, shot: str) -> None:
    photo_px = (5000, 2500)
    face = face_at(0.3, 0.2, height, photo_px)
    assert shot_of(face) == shot
    crop = subject_frame(face, WHOLE, photo_px, 768)
    assert area(crop) < 0.9
    ratio = (crop[2] - crop[0]) * photo_px[0] / ((crop[3] - crop[1]) * photo_px[1])
    assert min(abs(ratio - usual) for usual in (9 / 16, 2 / 3, 3 / 4, 4 / 5, 1, 5 / 4, 4 / 3, 3 / 2, 16 / 9)) < 0.01


def test_framing_is_the_same_for_the_same_kind_of_shot() -> None:
    """Persons of different sizes, at different places of a wide photo, fill their crops alike."""
    shares = []
    for middle_x, height in ((0.4, 0.1), (0.5, 0.12), (0.6, 0.14), (0.45, 0.16)):
        face = face_at(middle_x, 0.25, height)
        crop = subject_frame(face, WHOLE, PHOTO_PX, 256)
        shares.append(seen(face, crop).box[1] * (crop[3] - crop[1]) / height)  # space above, in faces
    assert max(shares) - min(shares) < 0.5


def test_head_that_lies_on_its_side_is_left_alone() -> None:
    face = face_at(0.3, 0.2, 0.12)
    eyes_one_above_the_other = ((0.3, 0.22), (0.3, 0.30), (0.31, 0.26), (0.32, 0.23), (0.32, 0.29))
    assert subject_frame(face, WHOLE, PHOTO_PX, 256) != WHOLE
    assert subject_frame(dataclasses.replace(face, landmarks=eyes_one_above_the_other), WHOLE, PHOTO_PX, 256) == WHOLE
    assert subject_frame(dataclasses.replace(face, roll_deg=-60.0), WHOLE, PHOTO_PX, 256) == WHOLE


def draft_of(face: Face | None, edit: PhotoEdit = NO_EDIT) -> Draft:
    photo = Photo(path=Path("a.jpg"), source_path=Path("a.jpg"), width_px=4000, height_px=3000, content_hash="")
    judgement = Judgement(detector="mtcnn", faces=(face,) if face else ())
    view = Image.new("RGB", (1024, 768))
    return Draft(photo=photo, edit=edit, view=view, judgement=judgement, frame=edit.crop or WHOLE)


def test_step_cuts_under_apply_tells_under_report_and_is_silent_when_off() -> None:
    draft = draft_of(face_at(0.3, 0.2, 0.12))
    cut = crop_to_subject(draft, CleanConfig(crop="apply"), NO_TOOLS)
    told = crop_to_subject(draft, CleanConfig(crop="report"), NO_TOOLS)
    assert cut.frame != WHOLE and [message.key for message in cut.done] == ["photos.cropped"]
    assert told.frame == WHOLE and [message.key for message in told.done] == ["photos.crop_found"]
    assert cut.done[0].values == told.done[0].values
    assert crop_to_subject(draft, CleanConfig(crop="off"), NO_TOOLS) == draft


@pytest.mark.parametrize(
    "draft",
    [
        draft_of(None),
        draft_of(Face(box=(0.28, 0.2, 0.37, 0.32), confidence=0.7)),
        draft_of(face_at(0.3, 0.2, 0.12), PhotoEdit(crop=(0.1, 0.1, 0.9, 0.9))),
    ],
    ids=["no face", "unsure face", "drawn by hand"],
)
def test_nothing_is_cropped_where_nobody_knows_or_the_user_has_spoken(draft: Draft) -> None:
    assert crop_to_subject(draft, CleanConfig(), NO_TOOLS) == draft
