"""Backgrounds behind figures of known outlines: soft edges, no fringe, and no guess where the outline is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pocket.people import MILA
from tests.trainer.known_people import KnownOutlines, Person, draft_of, person, together
from trainer.photos.cleaning.background import blur_behind, missing_tool, plain_behind, treat_background
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.tools import CleanTools

SIZE = (480, 480)
BLUR, PLAIN = CleanConfig(background="blur"), CleanConfig(background="plain")


@pytest.fixture(scope="module")
def mila() -> Person:
    return person(MILA, zoom=0.8, size=SIZE)


@pytest.fixture(scope="module")
def photo(mila: Person) -> Image.Image:
    return together([mila], "forest")


def tools(matte: Image.Image) -> CleanTools:
    return CleanTools(background_remover=KnownOutlines([matte]))


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, float)


def before(person: Person, colour: tuple[int, int, int]) -> Image.Image:
    """The person photographed before a wall of one colour: what a perfect result looks like."""
    wall = Image.new("RGB", person.layer.size, colour)
    wall.paste(person.layer, mask=person.outline)
    return wall


@pytest.mark.parametrize("config", [BLUR, PLAIN])
def test_foreground_keeps_its_bytes_and_background_changes(
    mila: Person, photo: Image.Image, config: CleanConfig
) -> None:
    from scipy.ndimage import binary_erosion

    made, draft = treat_background(photo, draft_of(photo, [mila.face]), config, tools(mila.outline))
    inner = binary_erosion(np.asarray(mila.outline) == 255, iterations=4)
    assert inner.mean() > 0.1
    assert (levels(made)[inner] == levels(photo)[inner]).all()
    outer = np.asarray(mila.outline) == 0
    assert np.abs(levels(made) - levels(photo))[outer].mean() > 2
    assert [message.key for message in draft.done] == [f"photos.background_{'blurred' if config is BLUR else 'plain'}"]


def test_plain_background_is_one_colour_the_mean_of_the_old_one(mila: Person, photo: Image.Image) -> None:
    made, colour = plain_behind(photo, mila.outline)
    outer = np.asarray(mila.outline) == 0
    assert np.abs(levels(photo)[outer].mean(axis=0) - colour).max() < 3
    far = np.zeros_like(outer)
    far[:20, :60] = True
    assert (levels(made)[far & outer] == colour).all()


def test_edges_keep_no_fringe_of_the_old_background(mila: Person) -> None:
    """White near the subject, black far away, so that grey takes the place of white at the edges: the result is nearer
    to a photo before that grey than plain mixing comes."""
    from scipy.ndimage import distance_transform_edt

    near = distance_transform_edt(np.asarray(mila.outline) == 0) < 30
    photo = Image.fromarray(np.where(near, 255, 0).astype(np.uint8)).convert("RGB")
    photo.paste(mila.layer, mask=mila.outline)
    made, colour = plain_behind(photo, mila.outline)
    assert 20 < colour[0] < 200
    edges = (np.asarray(mila.outline) > 20) & (np.asarray(mila.outline) < 235)
    alpha = levels(mila.outline)[..., None] / 255
    mixed = alpha * levels(photo) + (1 - alpha) * colour
    errors = [np.abs(one - levels(before(mila, colour)))[edges].mean() for one in (mixed, levels(made))]
    assert errors[1] < 0.5 * errors[0], errors


def test_blurred_background_holds_none_of_the_subjects_colours(mila: Person) -> None:
    """A pink and black subject before green: an ordinary blur leaves a glow, this one leaves green."""
    from PIL import ImageFilter

    photo = before(mila, (0, 160, 0))
    made = levels(blur_behind(photo, mila.outline))
    outer = np.asarray(mila.outline) == 0
    glow = levels(photo.filter(ImageFilter.GaussianBlur(9)))
    assert np.abs(glow - (0, 160, 0))[outer].max() > 40
    assert np.abs(made - (0, 160, 0))[outer].max() < 12


def test_blur_takes_detail_and_leaves_light(mila: Person) -> None:
    rough = np.random.default_rng(1).integers(60, 200, (*SIZE, 3), np.uint8)
    photo = Image.fromarray(rough)
    photo.paste(mila.layer, mask=mila.outline)
    made = levels(blur_behind(photo, mila.outline))
    outer = np.asarray(mila.outline) == 0
    assert made[outer].std() < 0.15 * rough[outer].std()
    assert np.abs(made[outer].mean(axis=0) - rough[outer].mean(axis=0)).max() < 2


@pytest.mark.parametrize("level", [0, 255])
def test_an_absurd_outline_leaves_the_photo_and_says_so(mila: Person, photo: Image.Image, level: int) -> None:
    made, draft = treat_background(photo, draft_of(photo, [mila.face]), BLUR, tools(Image.new("L", SIZE, level)))
    assert made is photo
    assert [message.key for message in draft.done] == ["photos.background_kept_share"]


def test_an_outline_that_misses_the_face_leaves_the_photo_and_says_so(mila: Person, photo: Image.Image) -> None:
    lower = mila.outline.copy()
    lower.paste(0, (0, 0, SIZE[0], round(mila.face.box[3] * SIZE[1])))
    made, draft = treat_background(photo, draft_of(photo, [mila.face]), PLAIN, tools(lower))
    assert made is photo
    assert [message.key for message in draft.done] == ["photos.background_kept_face"]


def test_without_a_face_the_outline_is_believed(mila: Person, photo: Image.Image) -> None:
    made, draft = treat_background(photo, draft_of(photo, []), PLAIN, tools(mila.outline))
    assert made is not photo and draft.done


def test_without_a_model_nothing_changes_and_the_set_is_told_once(mila: Person, photo: Image.Image) -> None:
    draft = draft_of(photo, [mila.face])
    assert treat_background(photo, draft, BLUR, CleanTools()) == (photo, draft)
    warning = missing_tool(BLUR, CleanTools())
    assert warning is not None and warning.key == "photos.no_background_remover"
    assert missing_tool(BLUR, tools(mila.outline)) is None
    assert missing_tool(CleanConfig(), CleanTools()) is None


def test_keep_asks_no_model(mila: Person, photo: Image.Image) -> None:
    draft = draft_of(photo, [mila.face])
    assert treat_background(photo, draft, CleanConfig(), tools(mila.outline)) == (photo, draft)
