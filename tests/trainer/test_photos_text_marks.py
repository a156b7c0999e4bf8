"""Text marks: what was laid over a photo goes, the person and what belongs to the scene stay."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tests.trainer.known_people import astronaut, draft_of
from tests.trainer.planted_marks import line, planted_marks, psnr, tiled
from trainer.messages import LANGUAGES, sentence
from trainer.photos.boxes import contains, inside, intersection
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.inpaint import installed_inpainter
from trainer.photos.cleaning.mark_painting import paint_over_marks
from trainer.photos.cleaning.overlay import is_readable, tell_apart
from trainer.photos.cleaning.rapid_text import installed_text_finder
from trainer.photos.cleaning.text_marks import treat_text_marks
from trainer.photos.cleaning.tools import CleanTools, TextBox, TextFinder
from trainer.photos.edits import PhotoEdit
from trainer.photos.photo import WHOLE, Box, Face

APPLY, REPORT, OFF = (CleanConfig(text_marks=choice) for choice in ("apply", "report", "off"))
WIDTH_PX = 900


@pytest.fixture(scope="module")
def tools() -> CleanTools:
    finder = installed_text_finder()
    if finder is None:
        pytest.skip("rapidocr is not installed")
    return CleanTools(text_finder=finder, inpainter=installed_inpainter())


def marked(mark, **more) -> tuple[Draft, Image.Image, tuple[Box, ...]]:
    """The astronaut with a mark, ready for the step; her photo without it; and where the mark is."""
    clean, face = astronaut(WIDTH_PX)
    image, boxes = mark(clean)
    return draft_of(image, [face], **more), clean, boxes


def keys(draft: Draft) -> list[str]:
    return [message.key.removeprefix("photos.") for message in draft.done]


def box_line(text: str, left: float, top: float, *, width: float = 0.3, height: float = 0.04, score: float = 0.95):
    return TextBox(box=(left, top, left + width, top + height), text=text, score=score)


CORNER = planted_marks()["corner .9"]


# What is a mark


def test_single_letters_are_no_text() -> None:
    assert not is_readable(box_line("K", 0.1, 0.1)) and not is_readable(box_line("|-", 0.1, 0.1))
    assert is_readable(box_line("OK", 0.1, 0.1)) and not is_readable(box_line("OK", 0.1, 0.1, score=0.8))
    assert is_readable(box_line("小红书", 0.1, 0.1, score=0.8))


def test_text_in_the_scene_is_told_about_and_nothing_is_changed(tools: CleanTools) -> None:
    # A sign in the middle of the picture; and her own badge and flag, wherever the reader can read them.
    draft, _, _ = marked(line("CAFE ROMA", height=0.05, at=(0.2, 0.35)))
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.frame == WHOLE and treated.marks == () and treated.set_aside is None
    assert keys(treated) == ["text_scene"] and "CAFE ROMA" in str(treated.done[0].values["text"])


def test_a_clean_photo_stays_as_it_is(tools: CleanTools) -> None:
    image, face = astronaut(WIDTH_PX)
    treated = treat_text_marks(draft_of(image, [face]), APPLY, tools)
    assert treated.frame == WHOLE and treated.marks == () and not treated.set_aside


def test_slanted_text_at_the_rim_belongs_to_the_scene() -> None:
    clean, face = astronaut(WIDTH_PX)
    image, (box,) = line("CAFE ROMA", height=0.05, at=(0.2, 0.07))(clean)
    left, top, right, bottom = box
    upright = TextBox(box=box, text="CAFE ROMA", score=0.99)
    slant = ((left, top + 0.02), (right, top - 0.1), (right, bottom - 0.1), (left, bottom + 0.02))
    assert tell_apart(image, (upright,), face.box).marks == (upright,)
    slanted = dataclasses.replace(upright, corners=slant)
    assert tell_apart(image, (slanted,), face.box).scene == (slanted,)


def test_names_on_a_wall_behind_the_subject_are_no_watermark() -> None:
    image, face = astronaut(WIDTH_PX)
    tile = [box_line("SPONSOR", x, y, width=0.12) for x in (0.05, 0.8) for y in (0.3, 0.45, 0.62)]
    wall = [one for one in tile if one.box[0] < 0.2]
    assert tell_apart(image, tuple(wall), face.box).tiled == ()
    over_her = (*tile, box_line("SPONSOR", 0.42, 0.5, width=0.12))
    assert len(tell_apart(image, over_her, face.box).tiled) == 7


# What is done about it


@pytest.mark.parametrize("name", planted_marks())
def test_every_planted_mark_is_dealt_with(name: str, tools: CleanTools) -> None:
    draft, _, boxes = marked(planted_marks()[name])
    treated = treat_text_marks(draft, APPLY, tools)
    if "tiled" in name:
        assert treated.set_aside and treated.set_aside.key == "photos.text_tiled"
        return
    gone = all(intersection(box, treated.frame) is None for box in boxes)
    painted = all(any(intersection(mark, box) for mark in treated.marks) for box in boxes)
    assert gone or painted or (treated.set_aside and treated.set_aside.key == "photos.text_large")


def test_a_mark_at_the_rim_is_cut_off_and_head_and_shot_stay(tools: CleanTools) -> None:
    draft, _, boxes = marked(CORNER)
    treated = treat_text_marks(draft, APPLY, tools)
    assert keys(treated)[0] == "text_cut" and treated.marks == ()
    assert intersection(boxes[0], treated.frame) is None and draft.face is not None
    assert contains(treated.frame, draft.face) and treated.frame[3] > 0.85
    again = draft_of(treated.view.crop(tuple(round(share * WIDTH_PX) for share in treated.frame)), [])
    assert "@" not in "".join(one.text for one in tools.text_finder.find(again.view))  # type: ignore[union-attr]


def test_a_mark_that_cannot_be_cut_off_is_painted_over_if_small(tools: CleanTools) -> None:
    # The least side forbids any cut.
    config = CleanConfig(min_side_px=1024)
    draft, clean, boxes = marked(CORNER)
    treated = treat_text_marks(draft, config, tools)
    assert keys(treated) == ["text_painted"] and treated.frame == WHOLE
    image, painted = paint_over_marks(draft.view, treated, config, tools)
    assert painted.set_aside is None
    assert psnr(image, clean, boxes) > psnr(draft.view, clean, boxes) + 3
    assert not any(is_readable(one) and "95812" in one.text for one in tools.text_finder.find(image))  # type: ignore[union-attr]
    untouched = np.ones((WIDTH_PX, WIDTH_PX), bool)
    left, top, right, bottom = (round(share * WIDTH_PX) for share in treated.marks[0])
    untouched[top - 1 : bottom + 1, left - 1 : right + 1] = False
    assert np.array_equal(np.asarray(image)[untouched], np.asarray(draft.view)[untouched])


def test_a_mark_over_the_face_sets_the_photo_aside_and_is_never_painted(tools: CleanTools) -> None:
    draft, _, _ = marked(line("@summer.days", height=0.04, at=(0.44, 0.21)))
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.set_aside and treated.set_aside.key == "photos.text_on_face" and treated.marks == ()
    for language in LANGUAGES:
        assert "summer" in sentence(treated.set_aside, language)


def test_a_large_mark_off_the_face_sets_the_photo_aside(tools: CleanTools) -> None:
    draft, _, _ = marked(line("@SUMMER.DAYS", height=0.09, at=(0.5, 0.8)))
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.set_aside and treated.set_aside.key == "photos.text_large"


def test_one_word_of_a_picture_library_across_the_photo_is_never_painted(tools: CleanTools) -> None:
    # Of faint tiles often only one can be read, and painting over that one makes the photo worse.
    draft, _, _ = marked(line("SAMPLE", height=0.04, at=(0.2, 0.5), alpha=0.3))
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.set_aside and treated.set_aside.key == "photos.text_tiled" and treated.marks == ()


def test_a_photo_taken_back_is_kept_with_the_reason_noted(tools: CleanTools) -> None:
    draft, _, _ = marked(tiled("SAMPLE", 0.3), edit=PhotoEdit(use=True))
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.set_aside is None and keys(treated)[0] == "text_tiled" and treated.marks == ()


def test_report_says_what_would_happen_and_changes_nothing(tools: CleanTools) -> None:
    for mark, said in ((CORNER, "text_cut_found"), (tiled("SAMPLE", 0.3), "text_tiled_found")):
        draft, _, _ = marked(mark)
        treated = treat_text_marks(draft, REPORT, tools)
        assert keys(treated)[0] == said
        assert dataclasses.replace(treated, done=()) == dataclasses.replace(draft, done=())


def test_off_and_no_finder_look_at_nothing(tools: CleanTools) -> None:
    draft, _, _ = marked(CORNER)
    assert treat_text_marks(draft, OFF, tools) is draft
    assert treat_text_marks(draft, APPLY, CleanTools()) is draft


def test_nothing_is_cut_where_nobody_looked_for_faces_or_the_user_drew_the_frame(tools: CleanTools) -> None:
    draft, _, _ = marked(CORNER)
    blind = dataclasses.replace(draft, judgement=dataclasses.replace(draft.judgement, detector="none", faces=()))
    assert treat_text_marks(blind, APPLY, tools).frame == WHOLE
    drawn, _, _ = marked(CORNER, edit=PhotoEdit(crop=(0, 0, 1, 1)))
    assert keys(treat_text_marks(drawn, APPLY, tools)) == ["text_painted"]


def test_standing_people_keep_their_feet(tools: CleanTools) -> None:
    face = Face(box=(0.46, 0.06, 0.52, 0.15), confidence=0.99)  # the feet are at .96
    ground = Image.fromarray(np.random.default_rng(0).integers(60, 70, (1000, 700, 3), np.uint8))
    image, _ = CORNER(ground)
    treated = treat_text_marks(draft_of(image, [face]), APPLY, tools)
    assert treated.frame == WHOLE and len(treated.marks) == 1


def test_places_are_shares_of_the_whole_photo_also_within_trimmed_borders(tools: CleanTools) -> None:
    clean, face = astronaut(WIDTH_PX)
    image, (box,) = CORNER(clean)
    framed = Image.new("RGB", (WIDTH_PX, WIDTH_PX + 120))
    framed.paste(image, (0, 60))
    part = (0.0, 60 / framed.height, 1.0, 1 - 60 / framed.height)
    moved = Face(box=tuple(  # type: ignore[arg-type]
        (share * WIDTH_PX + (60 if index % 2 else 0)) / framed.size[index % 2] for index, share in enumerate(face.box)
    ), confidence=0.99)  # fmt: skip
    treated = treat_text_marks(draft_of(framed, [moved], frame=part), CleanConfig(min_side_px=2048), tools)
    (mark,) = treated.marks
    assert inside(mark, part) == pytest.approx(box, abs=0.02)


# Marks drawn by hand


def test_a_hand_drawn_mark_is_painted_over_whole_even_on_the_face_and_with_the_step_off(tools: CleanTools) -> None:
    image, face = astronaut(WIDTH_PX)
    marks = (face.box, (0.9, 0.9, 1.0, 1.0))
    draft = dataclasses.replace(draft_of(image, [face], edit=PhotoEdit(marks=marks)), marks=marks)
    painted, after = paint_over_marks(image, draft, OFF, tools)
    assert keys(after) == ["marks_painted"] and after.set_aside is None
    left, top, right, bottom = (round(share * WIDTH_PX) for share in face.box)
    changed = np.abs(np.asarray(painted, int) - np.asarray(image, int)).sum(axis=2) > 0
    assert changed[top:bottom, left:right].mean() > 0.9
    changed[top:bottom, left:right] = False
    assert not changed[: round(0.89 * WIDTH_PX)].any()


def test_text_the_user_has_marked_is_not_treated_again(tools: CleanTools) -> None:
    clean, face = astronaut(WIDTH_PX)
    image, (box,) = CORNER(clean)
    marks = ((box[0] - 0.02, box[1] - 0.02, box[2] + 0.02, box[3] + 0.02),)
    draft = dataclasses.replace(draft_of(image, [face], edit=PhotoEdit(marks=marks)), marks=marks)
    treated = treat_text_marks(draft, APPLY, tools)
    assert treated.frame == WHOLE and treated.marks == marks


def test_text_that_painting_leaves_readable_sets_the_photo_aside(tools: CleanTools) -> None:
    class Lazy:
        """Paints nothing."""

        name, fills_large_areas = "lazy", False

        def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
            return image

    config = CleanConfig(min_side_px=1024)
    draft, _, _ = marked(CORNER)
    treated = treat_text_marks(draft, config, tools)
    finder: TextFinder | None = tools.text_finder
    _, after = paint_over_marks(draft.view, treated, config, CleanTools(text_finder=finder, inpainter=Lazy()))
    assert after.set_aside and after.set_aside.key == "photos.text_remains"
