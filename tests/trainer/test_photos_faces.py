"""Faces: the cascade on real photographs, the way back from retries, and what happens without the package."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from trainer.messages import sentence
from trainer.photos.faces.mtcnn import MtcnnDetector, face_detector_missing, installed_face_detector
from trainer.photos.faces.retries import Retry, face_back, retries
from trainer.photos.faces.suppression import best_of, smaller_share, union_share
from trainer.photos.photo import Face


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    """The detector that users have."""
    found = installed_face_detector()
    if found is None:
        pytest.skip("facenet-pytorch is not installed: pip install --no-deps facenet-pytorch")
    assert isinstance(found, MtcnnDetector)
    return found


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    skimage = pytest.importorskip("skimage.data")
    return Image.fromarray(skimage.astronaut())


def boxes_apart(first: Face, second: Face) -> float:
    """How far two boxes are apart at most, in shares of the first one's height."""
    height = first.box[3] - first.box[1]
    return max(abs(one - other) for one, other in zip(first.box, second.box, strict=True)) / height


# Suppression


@pytest.mark.parametrize("share", [union_share, smaller_share])
def test_no_two_kept_boxes_overlap_and_each_dropped_one_overlaps_a_better(share) -> None:
    random = np.random.default_rng(3)
    corners_N2 = random.uniform(0, 100, (300, 2))
    boxes_N4 = np.concatenate([corners_N2, corners_N2 + random.uniform(5, 40, (300, 2))], 1)
    scores_N = random.uniform(size=300)
    kept = best_of(boxes_N4, scores_N, 0.3, share)
    assert list(scores_N[kept]) == sorted(scores_N[kept], reverse=True)
    for position, box_4 in enumerate(boxes_N4):
        better = [one for one in kept if scores_N[one] > scores_N[position]]
        overlaps = bool(better) and share(box_4, boxes_N4[better]).max() > 0.3
        assert overlaps == (position not in kept)


def test_positions_beyond_32767_are_kept_right() -> None:
    boxes_N4 = np.tile(np.array([[0.0, 0.0, 10.0, 10.0]]), (40_000, 1))
    scores_N = np.arange(40_000) / 40_000
    assert best_of(boxes_N4, scores_N, 0.5).tolist() == [39_999]


# The cascade


def test_astronaut_is_found_with_eyes_nose_and_mouth_in_place(detector: MtcnnDetector, astronaut: Image.Image) -> None:
    (face,) = detector.find(astronaut)
    assert face.is_sure and face.confidence > 0.99
    left_eye, right_eye, nose, left_mouth, right_mouth = np.array(face.landmarks) * 512
    # Where they are in the picture, read off by eye.
    for found, there in ((left_eye, (205, 102)), (right_eye, (247, 104)), (nose, (225, 129))):
        assert np.abs(found - there).max() < 6
    assert left_mouth[0] < nose[0] < right_mouth[0] and min(left_mouth[1], right_mouth[1]) > nose[1]


def test_same_picture_gives_the_same_faces_bit_for_bit_in_any_thread(
    detector: MtcnnDetector, astronaut: Image.Image
) -> None:
    alone = detector.find(astronaut)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(detector.find, [astronaut] * 8)) == {alone}


def test_face_moves_and_mirrors_with_the_picture(detector: MtcnnDetector, astronaut: Image.Image) -> None:
    (face,) = detector.find(astronaut)
    (mirrored,) = detector.find(ImageOps.mirror(astronaut))
    left, top, right, bottom = mirrored.box
    assert boxes_apart(face, Face(box=(1 - right, top, 1 - left, bottom), confidence=1)) < 0.1
    canvas = Image.new("RGB", (1024, 768), (90, 90, 90))
    canvas.paste(astronaut, (400, 200))
    (moved,) = detector.find(canvas)
    there = tuple((share * 512 + shift) / side for share, shift, side in zip(face.box, (400, 200) * 2, (1024, 768) * 2))
    assert boxes_apart(Face(box=there, confidence=1), moved) < 0.1  # type: ignore[arg-type]


def grid(pictures_NHW: np.ndarray) -> Image.Image:
    """A hundred small pictures, enlarged to 60 px and set 100 px apart on grey."""
    sheet = Image.new("RGB", (1000, 1000), (128, 128, 128))
    for index, picture_HW in enumerate(pictures_NHW):
        tile = Image.fromarray((picture_HW * 255).astype(np.uint8)).resize((60, 60), Image.Resampling.BICUBIC)
        sheet.paste(tile.convert("RGB"), (index % 10 * 100 + 20, index // 10 * 100 + 20))
    return sheet


def test_lfw_faces_are_found_and_its_other_pictures_show_none(detector: MtcnnDetector) -> None:
    pictures_NHW = pytest.importorskip("skimage.data").lfw_subset()
    faces, others = (detector.find(grid(part)) for part in (pictures_NHW[:100], pictures_NHW[100:]))
    cells = {tuple(int((face.box[side] + face.box[side + 2]) * 5) for side in (0, 1)) for face in faces if face.is_sure}
    assert len(cells) >= 97
    assert others == ()


@pytest.mark.slow
def test_lfw_faces_one_by_one(detector: MtcnnDetector) -> None:
    pictures_NHW = pytest.importorskip("skimage.data").lfw_subset()
    found = []
    for picture_HW in pictures_NHW:
        picture = Image.fromarray((picture_HW * 255).astype(np.uint8)).convert("RGB")
        found.append(detector.find(picture.resize((100, 100), Image.Resampling.BICUBIC)))
    assert sum(any(face.is_sure for face in faces) for faces in found[:100]) >= 97
    assert not any(found[100:])


@pytest.mark.parametrize("size", [(1, 1), (11, 300), (1024, 3), (60, 40)])
def test_pictures_without_anything_in_them_have_no_face(detector: MtcnnDetector, size: tuple[int, int]) -> None:
    assert detector.find(Image.new("RGB", size, (200, 180, 160))) == ()


def test_noise_has_no_face(detector: MtcnnDetector) -> None:
    noise_HWC = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    assert detector.find(Image.fromarray(noise_HWC)) == ()


# Retries


@pytest.mark.parametrize("retry", retries(), ids=lambda retry: retry.name)
@pytest.mark.parametrize("size", [(240, 160), (150, 250)])
def test_a_dot_goes_back_to_where_it_was(retry: Retry, size: tuple[int, int]) -> None:
    random = np.random.default_rng(5)
    width, height = size
    for x, y in random.uniform(0.3, 0.7, (4, 2)):
        pixels_HWC = np.zeros((height, width, 3), np.uint8)
        row, column = int(y * height), int(x * width)
        pixels_HWC[row - 2 : row + 3, column - 2 : column + 3] = 255
        shown_HW = np.asarray(retry.show(Image.fromarray(pixels_HWC)).convert("L")).astype(float)
        shown_HW[shown_HW < 180] = 0  # the grey around
        rows, columns = np.nonzero(shown_HW)
        point = (columns.mean() + 0.5) / shown_HW.shape[1], (rows.mean() + 0.5) / shown_HW.shape[0]
        back = np.array(retry.back(point, width / height)) * size
        assert np.abs(back - (column + 0.5, row + 0.5)).max() < 1.5


@pytest.mark.parametrize("retry", [one for one in retries() if not one.swaps_sides], ids=lambda retry: retry.name)
def test_a_face_that_a_retry_finds_lies_where_it_is_and_is_not_sure(
    retry: Retry, detector: MtcnnDetector, astronaut: Image.Image
) -> None:
    (face,) = detector.find(astronaut)
    found = [face_back(one, retry, 1.0) for one in detector.find(retry.show(astronaut))]
    assert boxes_apart(face, found[0]) < 0.25
    assert found[0].retried and not found[0].is_sure
    for there, back in zip(face.landmarks, found[0].landmarks, strict=True):
        assert max(abs(one - other) for one, other in zip(there, back, strict=True)) < 0.03


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270])
def test_photo_on_its_side_shows_its_face_only_to_a_retry(
    turn: Image.Transpose, detector: MtcnnDetector, astronaut: Image.Image
) -> None:
    (upright,) = detector.find(astronaut)
    (face,) = detector.find(astronaut.crop((0, 0, 512, 400)).transpose(turn))
    assert face.retried and not face.is_sure and face.confidence >= 0.95
    middle_x = (upright.box[0] + upright.box[2]) / 2
    middle_y = (upright.box[1] + upright.box[3]) / 2 * 512 / 400
    x, y = (middle_y, 1 - middle_x) if turn == Image.Transpose.ROTATE_90 else (1 - middle_y, middle_x)
    left, top, right, bottom = face.box
    assert left < x < right and top < y < bottom
    assert 0.6 < (bottom - top) / (upright.box[2] - upright.box[0]) < 1.6


# The package


def test_loading_the_nets_draws_no_random_number_and_imports_nothing_else(detector: MtcnnDetector) -> None:
    state, modules = torch.random.get_rng_state(), set(sys.modules)
    installed_face_detector()
    assert torch.equal(state, torch.random.get_rng_state())
    assert set(sys.modules) == modules


def test_broken_package_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "facenet_pytorch").mkdir()
    (tmp_path / "facenet_pytorch/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_face_detector() is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_missing_detector_is_told_with_the_command_that_harms_nothing(language: str) -> None:
    assert "pip install --no-deps facenet-pytorch" in sentence(face_detector_missing(), language)
