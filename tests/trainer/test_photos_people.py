"""Other people: cropped away without harm to the subject, else given to masking, else set aside."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from pocket.people import MILA
from tests.trainer.known_people import (
    TOMO,
    Person,
    draft_of,
    faces_of,
    keys,
    person,
    segmenter,
    together,
)
from trainer.photos.boxes import area, contains, inside, intersection
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.export import cut_and_scale
from trainer.photos.cleaning.people import frame_without, treat_other_people
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import PhotoEdit
from trainer.photos.judging.framing import shot_of
from trainer.photos.photo import Face

APPLY, REPORT, OFF = (CleanConfig(other_people=choice) for choice in ("apply", "report", "off"))


def test_another_person_is_cropped_away_and_the_subjects_head_and_shoulders_stay(apart: tuple[Person, Person]) -> None:
    image = together(apart)
    draft = treat_other_people(draft_of(image, faces_of(*apart), scale=4), APPLY, CleanTools())
    assert keys(draft) == ["photos.people_cropped"] and not draft.set_aside
    subject, other = apart[0].face.box, apart[1].face.box
    assert intersection(draft.frame, other) is None
    height = subject[3] - subject[1]
    assert contains(
        draft.frame, (subject[0] - 0.3 * height, subject[1] - 0.4 * height, subject[2], subject[3] + 0.7 * height)
    )
    shown = np.asarray(cut_and_scale(apart[1].outline.convert("RGB"), draft.frame, 768))
    assert (shown > 127).mean() < 0.01, "hardly a pixel of the other person is left"


def test_whoever_is_the_subject_is_kept(apart: tuple[Person, Person]) -> None:
    draft = treat_other_people(draft_of(together(apart), faces_of(apart[1], apart[0]), scale=4), APPLY, CleanTools())
    assert contains(draft.frame, apart[1].face.box)
    assert intersection(draft.frame, apart[0].face.box) is None


def test_shoulders_that_remain_are_said() -> None:
    """Near enough that a cut between the heads goes through the other's shoulder."""
    people = person(MILA, at=0.4), person(TOMO, at=0.68)
    draft = treat_other_people(draft_of(together(people), faces_of(*people), scale=4), APPLY, CleanTools())
    assert keys(draft) == ["photos.people_cropped_partly"]
    assert intersection(draft.frame, people[1].face.box) is None


@pytest.mark.parametrize("seed", range(60))
def test_laws_of_every_crop(seed: int) -> None:
    """Random people in random photos: a frame keeps the whole face, the kind of shot, the size, and no other face."""
    rng = np.random.default_rng(seed)
    faces = []
    for _ in range(rng.integers(2, 7)):
        height = rng.uniform(0.06, 0.5)
        width = height * rng.uniform(0.5, 0.9)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        faces.append(Face(box=(left, top, left + width, top + height), confidence=0.95))
    image = Image.new("RGB", (int(rng.integers(100, 200)), int(rng.integers(100, 200))))
    draft = draft_of(image, faces, scale=10)
    frame = frame_without(tuple(faces[1:]), draft, 768)
    if frame is None:
        return
    subject = faces[0]
    assert contains((0, 0, 1, 1), frame) and contains(frame, subject.box)
    assert not any(intersection(frame, other.box) for other in faces[1:])
    assert shot_of(dataclasses.replace(subject, box=inside(subject.box, frame))) == shot_of(subject)
    width_px, height_px = (frame[2] - frame[0]) * draft.photo.width_px, (frame[3] - frame[1]) * draft.photo.height_px
    assert max(width_px, height_px) >= 768
    assert max(width_px / height_px, height_px / width_px) <= 2.5


def test_crops_are_found_for_many_of_them() -> None:
    """The laws above are not kept by giving up."""
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        height = rng.uniform(0.1, 0.25)
        left = Face(box=(0.15, 0.2, 0.15 + 0.6 * height, 0.2 + height), confidence=0.95)
        x = rng.uniform(0.45, 0.8)
        right = Face(box=(x, 0.25, x + 0.6 * height, 0.25 + height), confidence=0.95)
        found += (
            frame_without((right,), draft_of(Image.new("RGB", (300, 200)), [left, right], scale=10), 768) is not None
        )
    assert found > 60


def test_a_photo_too_small_to_crop_is_set_aside_with_the_reason(apart: tuple[Person, Person]) -> None:
    draft = treat_other_people(draft_of(together(apart), faces_of(*apart)), APPLY, CleanTools())
    assert draft.set_aside and draft.set_aside.key == "photos.people_too_close"
    assert draft.set_aside.values["count"] == 1 and draft.frame == (0, 0, 1, 1)


def test_a_photo_that_the_user_took_back_stays_and_the_reason_is_noted(close: tuple[Person, Person]) -> None:
    edit = PhotoEdit(use=True)
    draft = treat_other_people(draft_of(together(close), faces_of(*close), edit=edit, scale=4), APPLY, CleanTools())
    assert draft.set_aside is None and keys(draft) == ["photos.people_too_close"]


def test_a_frame_drawn_by_hand_is_not_cropped(apart: tuple[Person, Person]) -> None:
    edit = PhotoEdit(crop=(0.0, 0.0, 1.0, 0.9))
    draft = draft_of(together(apart), faces_of(*apart), edit=edit, frame=edit.crop or (0, 0, 1, 1), scale=4)
    after = treat_other_people(draft, APPLY, CleanTools())
    assert after.frame == draft.frame and after.set_aside


def test_faces_that_an_earlier_cut_took_away_do_not_count(apart: tuple[Person, Person]) -> None:
    draft = draft_of(together(apart), faces_of(*apart), frame=(0.0, 0.0, 0.6, 1.0), scale=4)
    assert treat_other_people(draft, APPLY, CleanTools()) == draft


def test_off_and_alone_change_nothing_and_report_only_says(
    apart: tuple[Person, Person], close: tuple[Person, Person]
) -> None:
    draft = draft_of(together(apart), faces_of(*apart), scale=4)
    assert treat_other_people(draft, OFF, CleanTools()) == draft
    alone = draft_of(together(apart), faces_of(apart[0]), scale=4)
    assert treat_other_people(alone, APPLY, CleanTools()) == alone
    near = draft_of(together(close), faces_of(*close), scale=4)
    said = {
        "photos.people_crop_found": treat_other_people(draft, REPORT, CleanTools()),
        "photos.people_mask_found": treat_other_people(near, REPORT, segmenter(*close)),
        "photos.people_close_found": treat_other_people(near, REPORT, CleanTools()),
    }
    for key, after in said.items():
        assert keys(after) == [key] and after.frame == (0, 0, 1, 1) and not after.others and not after.set_aside


def test_area_is_the_share_of_what_is_kept(apart: tuple[Person, Person]) -> None:
    draft = treat_other_people(draft_of(together(apart), faces_of(*apart), scale=4), APPLY, CleanTools())
    assert draft.done[0].values["percent"] == round(100 * (1 - area(draft.frame)))
