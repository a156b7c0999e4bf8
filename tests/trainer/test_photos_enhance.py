"""Faces restored: only where soft or small, only in part, only the face, never by a model that draws another."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from tests.trainer.known_people import astronaut, draft_of
from trainer.photos.cleaning.align import cut_face, fit_similarity, paste_change
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.enhance import enhance_face, gentle_change, missing_tool
from trainer.photos.cleaning.tools import CleanTools, FaceRestorer
from trainer.photos.photo import Face, Quality

APPLY, REPORT = (CleanConfig(enhance_faces=choice) for choice in ("apply", "report"))
WIDTH_PX = 1024
"""The astronaut's face is then 186 pixels high."""
SHARP = Quality(sharpness=400, blur=0.3, noise=0.5, brightness=120, highlights=200, clipped=0, face_height_px=400,
                measured_on="face")  # fmt: skip
SOFT = dataclasses.replace(SHARP, sharpness=5, blur=0.7)
SMALL = dataclasses.replace(SHARP, face_height_px=120)
GRAINY = dataclasses.replace(SOFT, noise=6.0, sharpness=5, blur=0.7)


class Same:
    """Restores nothing."""

    name = "same"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def restore(self, face: Image.Image, detail_px: int) -> Image.Image:
        """The face itself."""
        self.asked.append(detail_px)
        return self.drawn(face)

    def drawn(self, face: Image.Image) -> Image.Image:
        """What this restorer makes of a face."""
        return face


class Smooth(Same):
    """Takes texture away, as bad restorers do."""

    def drawn(self, face: Image.Image) -> Image.Image:
        return face.filter(ImageFilter.GaussianBlur(2))


class Inverted(Same):
    """What a file with another range of numbers gives."""

    def drawn(self, face: Image.Image) -> Image.Image:
        return Image.fromarray(255 - np.asarray(face))


class Darker(Same):
    """A change that is easy to see."""

    def drawn(self, face: Image.Image) -> Image.Image:
        return face.point(lambda level: max(0, level - 20))


class Truth(Same):
    """Knows the sharp photo."""

    def __init__(self, sharp: Image.Image, face: Face) -> None:
        super().__init__()
        self._sharp, self._face = sharp, face

    def drawn(self, face: Image.Image) -> Image.Image:
        return cut_face(self._sharp, fit_similarity(self._face.landmarks, *self._sharp.size)[0])


@pytest.fixture(scope="module")
def sharp() -> tuple[Image.Image, Face]:
    return astronaut(WIDTH_PX)


def judged(image: Image.Image, face: Face, quality: Quality) -> Draft:
    draft = draft_of(image, [face])
    return dataclasses.replace(draft, judgement=dataclasses.replace(draft.judgement, quality=quality))


def enhanced(
    image: Image.Image, face: Face, quality: Quality, restorer: FaceRestorer, config: CleanConfig = APPLY
) -> tuple[Image.Image, list[str]]:
    made, draft = enhance_face(image, judged(image, face, quality), config, CleanTools(face_restorer=restorer))
    return made, [message.key for message in draft.done]


def core_of(image: Image.Image, face: Face) -> np.ndarray:
    """Where a change of the aligned face comes back whole."""
    similarity, _ = fit_similarity(face.landmarks, *image.size)
    white = paste_change(Image.new("RGB", image.size), np.full((512, 512, 3), 255, np.float32), similarity)
    return np.asarray(white)[..., 0] == 255


def texture(image: Image.Image, where: np.ndarray) -> float:
    pixels = np.asarray(image.convert("L"), float)
    return float((pixels - gaussian_filter(pixels, 2.0))[where].std())


def distance(one: Image.Image, other: Image.Image, where: np.ndarray) -> float:
    return float(np.sqrt(((np.asarray(one, float) - np.asarray(other, float))[where] ** 2).mean()))


def test_a_restorer_that_changes_nothing_changes_not_one_byte(sharp: tuple[Image.Image, Face]) -> None:
    for quality in (SOFT, SMALL, GRAINY):
        made, said = enhanced(*sharp, quality, Same())
        assert made.tobytes() == sharp[0].tobytes() and said == ["photos.face_enhanced"]


def test_outside_the_face_not_one_byte_changes(sharp: tuple[Image.Image, Face]) -> None:
    image, face = sharp
    made, _ = enhanced(image, face, SOFT, Darker())
    rows, columns = np.nonzero(np.asarray(made) != np.asarray(image))[:2]
    left, top, right, bottom = (share * WIDTH_PX for share in face.box)
    height = bottom - top
    assert left - 0.4 * height < columns.min() and columns.max() < right + 0.4 * height
    assert top - 0.4 * height < rows.min() and rows.max() < bottom + 0.15 * height


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.5])
def test_strength_is_the_share_that_is_mixed_in(sharp: tuple[Image.Image, Face], strength: float) -> None:
    config = CleanConfig(enhance_faces="apply", enhance_strength=strength)
    made, _ = enhanced(*sharp, SOFT, Darker(), config)
    core = core_of(*sharp)
    drop = (np.asarray(sharp[0], float) - np.asarray(made, float))[core]
    assert np.median(drop) == pytest.approx(20 * strength, abs=0.51)


def test_a_soft_face_comes_nearer_to_the_sharp_one(sharp: tuple[Image.Image, Face]) -> None:
    image, face = sharp
    soft = image.filter(ImageFilter.GaussianBlur(4))
    made, _ = enhanced(soft, face, SOFT, Truth(image, face), CleanConfig(enhance_faces="apply", enhance_strength=0.5))
    core = core_of(image, face)
    assert distance(made, image, core) < 0.65 * distance(soft, image, core)
    assert texture(made, core) > 1.2 * texture(soft, core)


def test_texture_that_a_restorer_smooths_away_mostly_stays(sharp: tuple[Image.Image, Face]) -> None:
    """At strength 0.5 plain mixing keeps about three quarters of it."""
    config = CleanConfig(enhance_faces="apply", enhance_strength=0.5)
    kept, _ = enhanced(*sharp, SOFT, Smooth(), config)
    lost, _ = enhanced(*sharp, GRAINY, Smooth(), config)  # grain is texture too: it does not come back
    core = core_of(*sharp)
    shares = [texture(one, core) / texture(sharp[0], core) for one in (lost, kept)]
    assert shares[0] < 0.85 and shares[1] > shares[0] + 0.05 and shares[1] > 0.88, shares
    assert distance(kept, sharp[0], core) > 0, "and something was smoothed"


def test_equal_faces_give_no_change_and_added_texture_is_added() -> None:
    rng = np.random.default_rng(0)
    flat = np.full((512, 512, 3), 128, np.uint8)
    rough = (flat + rng.normal(0, 8, flat.shape)).clip(0, 255).astype(np.uint8)
    assert (gentle_change(Image.fromarray(rough), Image.fromarray(rough), 2.0, 0.7) == 0).all()
    added = gentle_change(Image.fromarray(flat), Image.fromarray(rough), 2.0, 0.7)
    assert np.abs(added - (rough.astype(float) - flat)).max() < 1e-3


@pytest.mark.parametrize("quality", [SHARP, dataclasses.replace(SHARP, face_height_px=None, measured_on="picture")])
def test_a_good_face_is_left_alone(sharp: tuple[Image.Image, Face], quality: Quality) -> None:
    made, said = enhanced(*sharp, quality, Darker())
    assert made is sharp[0] and said == []


def test_a_soft_background_is_no_soft_face(sharp: tuple[Image.Image, Face]) -> None:
    """Where the face was too small to be measured, softness is the whole picture's."""
    made, said = enhanced(*sharp, dataclasses.replace(SOFT, measured_on="picture"), Darker())
    assert made is sharp[0] and said == []


def test_another_picture_is_refused(sharp: tuple[Image.Image, Face]) -> None:
    made, said = enhanced(*sharp, SOFT, Inverted())
    assert made is sharp[0] and said == ["photos.face_not_enhanced_other"]


def turned(face: Face) -> Face:
    """Eyes, nose and mouth as seen from the side."""
    left, top, right, bottom = face.box
    x = (left + right) / 2
    eyes, mouth = top + 0.3 * (bottom - top), top + 0.8 * (bottom - top)
    wide = 0.02 * (right - left)
    points = ((x - wide, eyes), (x + wide, eyes), (right, top + 0.55 * (bottom - top)), (x, mouth), (x + wide, mouth))
    return dataclasses.replace(face, landmarks=points)


UNFIT = {
    "landmarks": lambda face: dataclasses.replace(face, landmarks=()),
    "turned": turned,
    "unsure": lambda face: dataclasses.replace(face, confidence=0.7),
}


@pytest.mark.parametrize("key", UNFIT)
def test_a_face_that_cannot_be_aligned_is_left_alone_with_a_word(sharp: tuple[Image.Image, Face], key: str) -> None:
    restorer = Darker()
    made, said = enhanced(sharp[0], UNFIT[key](sharp[1]), SOFT, restorer)
    assert made is sharp[0] and said == [f"photos.face_not_enhanced_{key}"] and restorer.asked == []


def test_a_face_too_small_to_be_restored_is_left_alone_with_a_word() -> None:
    image, face = astronaut(200)
    made, said = enhanced(image, face, SMALL, Darker())
    assert made is image and said == ["photos.face_not_enhanced_tiny"]


def test_the_restorer_is_told_how_much_detail_there_is(sharp: tuple[Image.Image, Face]) -> None:
    image, face = sharp
    own_px = 512 / math.sqrt(abs(np.linalg.det(fit_similarity(face.landmarks, *image.size)[0][:, :2])))
    for quality, share in ((SMALL, 1.0), (SOFT, 0.5)):
        restorer = Same()
        enhanced(image, face, quality, restorer)
        assert restorer.asked == [round(share * own_px)]


def test_the_face_is_found_in_a_cropped_frame_too(sharp: tuple[Image.Image, Face]) -> None:
    image, face = sharp
    frame = (0.2, 0.05, 0.8, 0.65)
    cut = image.crop(tuple(round(share * WIDTH_PX) for share in frame))
    draft = dataclasses.replace(judged(image, face, SOFT), frame=frame)
    made, _ = enhance_face(cut, draft, APPLY, CleanTools(face_restorer=Darker()))
    whole, _ = enhanced(image, face, SOFT, Darker())
    again = whole.crop(tuple(round(share * WIDTH_PX) for share in frame))
    assert np.abs(np.asarray(made, int) - np.asarray(again, int)).max() <= 1


def test_report_says_and_changes_nothing_and_off_does_not_look(sharp: tuple[Image.Image, Face]) -> None:
    restorer = Darker()
    assert enhanced(*sharp, SOFT, restorer, REPORT) == (sharp[0], ["photos.face_enhance_found"])
    assert enhanced(*sharp, SOFT, restorer, CleanConfig()) == (sharp[0], [])
    assert restorer.asked == []


def test_without_a_restorer_nothing_changes_and_the_set_is_told_once(sharp: tuple[Image.Image, Face]) -> None:
    draft = judged(*sharp, SOFT)
    assert enhance_face(sharp[0], draft, APPLY, CleanTools()) == (sharp[0], draft)
    warning = missing_tool(APPLY, CleanTools())
    assert warning is not None and warning.key == "photos.no_restorer"
    assert missing_tool(APPLY, CleanTools(face_restorer=Same())) is None
    assert missing_tool(CleanConfig(), CleanTools()) is None
