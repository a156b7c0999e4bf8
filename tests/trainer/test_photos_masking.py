"""Masking other people: outlines are checked before and after, and the subject keeps every byte."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from pocket.people import MILA
from tests.trainer.known_people import (
    TOMO,
    ZURI,
    Eraser,
    KnownFaces,
    KnownOutlines,
    Person,
    draft_of,
    faces_of,
    keys,
    person,
    segmenter,
    together,
)
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.fill import fill_smoothly
from trainer.photos.cleaning.masking import mask_others
from trainer.photos.cleaning.people import treat_other_people
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import PhotoEdit

APPLY = CleanConfig(other_people="apply")


def masked(
    image: Image.Image, people: tuple[Person, ...], tools: CleanTools, **more: object
) -> tuple[Image.Image, Draft]:
    draft = treat_other_people(draft_of(image, faces_of(*people), scale=4, **more), APPLY, tools)  # type: ignore[arg-type]
    assert len(draft.others) == len(people) - 1
    return mask_others(image, draft, APPLY, tools)


def with_detector(tools: CleanTools, people: tuple[Person, ...], image: Image.Image) -> CleanTools:
    return dataclasses.replace(tools, face_detector=KnownFaces(people, image))


def test_an_inpainter_puts_back_what_stood_behind_and_the_subject_keeps_its_bytes(close: tuple[Person, Person]) -> None:
    image, behind = together(close), together(close[:1])
    tools = with_detector(dataclasses.replace(segmenter(*close), inpainter=Eraser(behind)), close, image)
    made, draft = masked(image, close, tools)
    assert keys(draft) == ["photos.people_painted_over"] and not draft.set_aside
    subject = np.asarray(close[0].outline) > 127
    assert (np.asarray(made)[subject] == np.asarray(image)[subject]).all()
    apart = np.abs(np.asarray(made, int) - np.asarray(behind, int)).max(axis=-1)
    assert (apart > 12).mean() < 0.004, "of the other only pixels at the subject's edge are left"


def test_without_an_inpainter_the_colours_around_take_their_place(close: tuple[Person, Person]) -> None:
    image = together(close)
    made, draft = masked(image, close, with_detector(segmenter(*close), close, image))
    assert keys(draft) == ["photos.people_faded_out"]
    subject, other = (np.asarray(one.outline) > 127 for one in close)
    pixels, hole = np.asarray(made, int), other & ~subject
    assert (pixels[subject] == np.asarray(image)[subject]).all()
    behind = np.asarray(together(close[:1]), int)
    assert np.abs(pixels - behind)[hole].mean() < 0.5 * np.abs(np.asarray(image, int) - behind)[hole].mean()
    steps = np.abs(np.diff(pixels, axis=1)).max(axis=-1)[hole[:, 1:] & hole[:, :-1]]
    assert np.percentile(steps, 99) < 12, "no outline inside the filled part"


def test_a_small_mark_painter_is_not_asked_to_paint_persons(close: tuple[Person, Person]) -> None:
    class Small(Eraser):
        fills_large_areas = False

        def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
            raise AssertionError("asked")

    tools = dataclasses.replace(segmenter(*close), inpainter=Small(together(close)))
    assert keys(masked(together(close), close, tools)[1]) == ["photos.people_faded_out"]


def grown(outline: Image.Image) -> Image.Image:
    return Image.new("L", outline.size, 255)


WRONG = {
    "photos.people_mask_none": lambda people: [],
    "photos.people_mask_no_subject": lambda people: [people[1].outline],
    "photos.people_mask_missed": lambda people: [people[0].outline],
    "photos.people_mask_merged": lambda people: [
        Image.fromarray(np.maximum(*(np.asarray(one.outline) for one in people)))
    ],
    "photos.people_mask_large": lambda people: [
        people[0].outline,
        Image.fromarray(255 - np.asarray(people[0].outline)),
    ],
}


@pytest.mark.parametrize("key", WRONG)
def test_wrong_outlines_set_the_photo_aside_and_change_nothing(close: tuple[Person, Person], key: str) -> None:
    image = together(close)
    tools = CleanTools(person_segmenter=KnownOutlines(WRONG[key](close)))
    made, draft = masked(image, close, tools)
    assert made is image and draft.set_aside and draft.set_aside.key == key
    kept, noted = masked(image, close, tools, edit=PhotoEdit(use=True))
    assert kept is image and keys(noted) == [key] and not noted.set_aside and not noted.others


def test_everything_as_one_person_is_refused(close: tuple[Person, Person]) -> None:
    tools = CleanTools(person_segmenter=KnownOutlines([Image.new("L", together(close).size, 255)]))
    draft = masked(together(close), close, tools)[1]
    assert draft.set_aside and draft.set_aside.key == "photos.people_mask_merged"


def test_a_face_that_is_still_seen_afterwards_sets_the_photo_aside(close: tuple[Person, Person]) -> None:
    """The inpainter paints nothing."""
    image = together(close)
    tools = dataclasses.replace(segmenter(*close), inpainter=Eraser(image))
    made, draft = masked(image, close, with_detector(tools, close, image))
    assert made is image and draft.set_aside and draft.set_aside.key == "photos.people_mask_failed"


def test_an_outline_of_a_part_of_the_subject_is_not_another_person(close: tuple[Person, Person]) -> None:
    image = together(close)
    legs = np.asarray(close[0].outline).copy()
    legs[: legs.shape[0] * 2 // 3] = 0
    outlines = [close[0].outline, Image.fromarray(legs), close[0].outline, close[1].outline]
    made, draft = masked(image, close, CleanTools(person_segmenter=KnownOutlines(outlines)))
    assert draft.done[-1].values["count"] == 1
    subject = np.asarray(close[0].outline) > 127
    assert (np.asarray(made)[subject] == np.asarray(image)[subject]).all()


def test_three_persons_are_two_others() -> None:
    people = person(MILA, at=0.5), person(TOMO, at=0.36, zoom=0.4), person(ZURI, at=0.64, zoom=0.4)
    made, draft = masked(together(people), people, segmenter(*people))
    assert keys(draft) == ["photos.people_faded_out"] and draft.done[0].values["count"] == 2
    assert made.size == together(people).size


# The fill


def test_the_fill_continues_a_gradient_and_touches_nothing_else() -> None:
    ramp = np.zeros((96, 128, 3), np.uint8)
    ramp[...] = np.linspace(20, 220, 128).astype(np.uint8)[None, :, None]
    hole = np.zeros((96, 128), bool)
    hole[30:60, 40:90] = True
    filled = np.asarray(fill_smoothly(Image.fromarray(ramp), hole, ~hole), int)
    assert (filled[~hole] == ramp[~hole]).all()
    assert np.abs(filled - ramp)[hole].max() < 25
    assert np.abs(filled - ramp)[hole].mean() < 8


def test_the_fill_takes_no_colour_from_what_is_not_known() -> None:
    pixels = np.full((64, 64, 3), (0, 160, 0), np.uint8)
    hole, subject = np.zeros((2, 64, 64), bool)
    hole[10:50, 30:50], subject[10:50, 15:30] = True, True
    pixels[subject], pixels[hole] = (255, 0, 0), (0, 0, 255)
    filled = np.asarray(fill_smoothly(Image.fromarray(pixels), hole, ~hole & ~subject), int)
    assert np.abs(filled[hole] - (0, 160, 0)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 33)])
def test_the_fill_of_everything_or_nothing_is_the_picture_itself(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (9, 8, 7))
    none, everything = np.zeros(size[::-1], bool), np.ones(size[::-1], bool)
    assert fill_smoothly(image, none, everything).tobytes() == image.tobytes()
    assert fill_smoothly(image, everything, everything).tobytes() == image.tobytes()
