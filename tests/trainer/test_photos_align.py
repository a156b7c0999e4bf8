"""Aligned faces: the fit is the least squares one, and what comes back changes the face and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from tests.trainer.known_people import astronaut
from trainer.photos.cleaning.align import (
    TEMPLATE,
    cut_face,
    face_in_template,
    fit_similarity,
    paste_change,
    scale_of,
)
from trainer.photos.cleaning.restorers import FACE_PX

SIZES = (256, 512, 1800)
"""Widths of a picture whose face is 47, 93 and 327 pixels high: enlarged by 6 and 3, and made smaller."""


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = math.radians(degrees)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ turn.T + shift


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * math.log10(255**2 / max(float(((one.astype(float) - other) ** 2).mean()), 1e-12))


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (30, 0.2), (-170, 3), (90, 0.5)])
def test_a_turned_scaled_and_moved_template_is_brought_back_exactly(degrees: float, scale: float) -> None:
    points = turned(TEMPLATE, degrees, scale, (700, 300)) / 1000
    similarity, error_px = fit_similarity([tuple(point) for point in points], 1000, 1000)
    assert error_px < 1e-6
    assert scale_of(similarity) == pytest.approx(1 / scale)


def test_no_other_similarity_brings_noisy_landmarks_nearer() -> None:
    rng = np.random.default_rng(3)
    points = (turned(TEMPLATE, 20, 0.4, (300, 200)) + rng.normal(0, 4, (5, 2))) / 1000
    similarity, error_px = fit_similarity([tuple(point) for point in points], 1000, 1000)

    def error_of(degrees: float, scale: float, shift: tuple[float, float]) -> float:
        landed = turned(points * 1000 @ similarity[:, :2].T + similarity[:, 2], degrees, scale, shift)
        return float(np.sqrt(((landed - TEMPLATE) ** 2).sum(axis=1).mean()))

    assert error_of(0, 1, (0, 0)) == pytest.approx(error_px)
    for degrees, scale, shift in [(0.2, 1, (0, 0)), (-0.2, 1, (0, 0)), (0, 1.002, (0, 0)), (0, 1, (0.5, 0))]:
        # Turns and scales about the origin also move the face: only those that leave its middle alone can be compared.
        middle = TEMPLATE.mean(axis=0)
        back = middle - turned(middle[None], degrees, scale, (0, 0))[0]
        assert error_of(degrees, scale, (shift[0] + back[0], shift[1] + back[1])) > error_px


def test_mirrored_landmarks_are_not_mirrored_back() -> None:
    points = TEMPLATE * (-1, 1) + (600, 0)
    similarity, error_px = fit_similarity([tuple(point / 1000) for point in points], 1000, 1000)
    assert np.linalg.det(similarity[:, :2]) > 0
    assert error_px > 30


def test_a_face_seen_from_the_side_fits_worse_the_more_it_is_turned() -> None:
    """A head with its nose in front of the plane of eyes and mouth, turned."""
    flat, depth = (TEMPLATE - TEMPLATE.mean(axis=0)) / 63, np.array([0, 0, 0.88, 0.19, 0.19])
    errors = []
    for degrees in (0, 30, 60, 90):
        angle = math.radians(degrees)
        seen = np.column_stack([flat[:, 0] * math.cos(angle) + depth * math.sin(angle), flat[:, 1]])
        errors.append(fit_similarity([tuple(point) for point in seen], 1, 1)[1])
    assert errors == sorted(errors)
    assert errors[0] < 4 and errors[1] < 20 and errors[3] > 45


@pytest.mark.parametrize("width_px", SIZES)
def test_landmarks_land_on_the_template(width_px: int) -> None:
    """A dot painted on each landmark is found at the template's place in the aligned face."""
    image, face = astronaut(width_px)
    similarity, error_px = fit_similarity(face.landmarks, *image.size)
    for (x, y), goal in zip(face.landmarks, TEMPLATE, strict=True):
        dot = np.zeros((width_px, width_px, 3), np.uint8)
        reach = max(2, width_px // 128)
        column, row = round(x * width_px), round(y * width_px)
        dot[row - reach : row + reach, column - reach : column + reach] = 255
        found = np.argwhere(np.asarray(cut_face(Image.fromarray(dot), similarity))[..., 0] > 127) + 0.5
        centre = found.mean(axis=0)[::-1]
        assert np.hypot(*(centre - goal)) < error_px * 2.3 + scale_of(similarity)


@pytest.mark.parametrize("width_px", SIZES)
def test_a_face_that_was_not_changed_comes_back_byte_for_byte(width_px: int) -> None:
    image, face = astronaut(width_px)
    similarity, _ = fit_similarity(face.landmarks, *image.size)
    unchanged = np.zeros((FACE_PX, FACE_PX, 3), np.float32)
    assert paste_change(image, unchanged, similarity).tobytes() == image.tobytes()


@pytest.mark.parametrize("width_px", SIZES)
def test_all_detail_given_back_as_a_change_is_nearly_the_face_itself(width_px: int) -> None:
    """The hardest change: a face without any detail gets all of its own, through every interpolation."""
    image, face = astronaut(width_px)
    similarity, _ = fit_similarity(face.landmarks, *image.size)
    soft = image.resize((width_px // 4, width_px // 4)).resize(image.size, Image.Resampling.BICUBIC)
    change = np.asarray(cut_face(image, similarity), np.float32) - np.asarray(cut_face(soft, similarity), np.float32)
    back = paste_change(soft, change, similarity)
    core = np.asarray(paste_change(Image.new("RGB", image.size), np.full_like(change, 255), similarity))[..., 0] == 255
    assert core.sum() > 300
    scores = [psnr(np.asarray(one)[core], np.asarray(image)[core]) for one in (soft, back)]
    assert scores[1] >= 36 and scores[1] >= scores[0] + 10, scores


@pytest.mark.parametrize("width_px", SIZES)
def test_an_even_change_is_whole_in_the_face_fades_and_is_nothing_outside(width_px: int) -> None:
    image, face = astronaut(width_px)
    similarity, _ = fit_similarity(face.landmarks, *image.size)
    darker = paste_change(image, np.full((FACE_PX, FACE_PX, 3), -20, np.float32), similarity)
    drop = (np.asarray(image, int) - np.asarray(darker, int)).max(axis=-1)
    assert drop.min() == 0 and drop.max() in (20, 21)
    rows, columns = np.nonzero(drop)
    left, top, right, bottom = (share * width_px for share in face.box)
    height = bottom - top
    assert columns.min() > left - 0.4 * height and columns.max() < right + 0.4 * height
    assert rows.min() > top - 0.4 * height and rows.max() < bottom + 0.15 * height
    middle = drop[round((top + bottom) / 2), round((left + right) / 2)]
    assert middle in (19, 20, 21)


def test_a_face_at_the_rim_is_cut_with_the_rim_repeated() -> None:
    image, face = astronaut(512)
    image = image.crop((195, 90, 512, 512))
    landmarks = [((x * 512 - 195) / image.width, (y * 512 - 90) / image.height) for x, y in face.landmarks]
    similarity, _ = fit_similarity(landmarks, *image.size)
    aligned = np.asarray(cut_face(image, similarity))
    assert aligned.shape == (FACE_PX, FACE_PX, 3)
    assert (np.abs(np.diff(aligned[250, :60].astype(int), axis=0)).max()) <= 2, "repeated columns are of one colour"
    darker = paste_change(image, np.full((FACE_PX, FACE_PX, 3), -20, np.float32), similarity)
    assert darker.size == image.size


def test_the_face_covers_the_landmarks_and_leaves_the_corners() -> None:
    inside = face_in_template()
    assert all(inside[round(y), round(x)] for x, y in TEMPLATE)
    assert not inside[[0, 0, -1, -1, 60], [0, -1, 0, -1, 256]].any()
    assert 0.2 < inside.mean() < 0.5
