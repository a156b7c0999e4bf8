"""What ComfyUI's face landmarker finds becomes our faces: angles, places and expressions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.nodes.pack import module

mediapipe_faces = module("nodes.mediapipe_faces")

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
ANGLES = [(0, 0, 0), (35, 0, 0), (-70, 10, 0), (0, -25, 0), (0, 0, 30), (20, 15, -40), (-85, -5, 5)]
STILL = dict.fromkeys(
    ("eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "jawOpen", "mouthClose"), 0.0
)


def pose(yaw_deg: float, pitch_deg: float, roll_deg: float, scale: float = 1.0) -> np.ndarray:
    """The matrix of a head that is rolled clockwise, then raised, then turned to the picture's right."""
    yaw, pitch, roll = (math.radians(angle) for angle in (yaw_deg, pitch_deg, roll_deg))
    turn_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    turn_x = [[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]]
    turn_z = [[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.array(turn_y) @ np.array(turn_x) @ np.array(turn_z)
    matrix[:3, 3] = (3, -2, -40)
    return matrix


def found(landmarks_xy: np.ndarray, **blendshapes: float) -> dict:
    return dict(landmarks_xy=landmarks_xy, blendshapes=STILL | blendshapes, presence=6.0, score=0.8)


def head() -> np.ndarray:
    """478 points with eyes, nose and mouth where a face has them, in pixels of a picture of 400 x 200."""
    points_N2 = np.random.default_rng(1).uniform((150, 40), (250, 160), (478, 2))
    points_N2[[33, 133, 362, 263]] = (170, 80), (190, 80), (210, 80), (230, 80)
    points_N2[[1, 61, 291]] = (200, 110), (185, 130), (215, 130)
    return points_N2


@pytest.mark.parametrize("angles", ANGLES, ids=str)
@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_angles_of_a_pose_come_back_whatever_its_scale(angles: tuple[float, ...], scale: float) -> None:
    assert mediapipe_faces.angles_of(pose(*angles, scale=scale)) == pytest.approx(angles, abs=1e-6)


@pytest.mark.parametrize("angles", ANGLES, ids=str)
def test_mirrored_head_has_the_opposite_yaw_and_roll(angles: tuple[float, ...]) -> None:
    yaw, pitch, roll = mediapipe_faces.angles_of(MIRROR @ pose(*angles) @ MIRROR)
    assert (-yaw, pitch, -roll) == pytest.approx(angles, abs=1e-6)


def test_places_are_shares_and_left_is_the_pictures_left() -> None:
    face = mediapipe_faces.face_of(found(head()), pose(0, 0, 0), 400, 200)
    left, top, right, bottom = face.box
    assert 0.375 <= left < 0.4 and 0.6 < right <= 0.625 and 0.2 <= top < 0.25 and 0.75 < bottom <= 0.8
    points = ((0.45, 0.4), (0.55, 0.4), (0.5, 0.55), (0.4625, 0.65), (0.5375, 0.65))
    assert np.allclose(face.landmarks, points)
    assert face.is_sure and face.yaw_deg == 0


def test_places_do_not_depend_on_the_pictures_size() -> None:
    small = mediapipe_faces.face_of(found(head()), pose(0, 0, 0), 400, 200)
    large = mediapipe_faces.face_of(found(head() * 3), pose(0, 0, 0), 1200, 600)
    assert np.allclose(small.box, large.box) and np.allclose(small.landmarks, large.landmarks)


def test_face_that_the_mesh_does_not_see_is_not_sure() -> None:
    for presence, is_sure in ((-8.0, False), (0.0, False), (4.0, True), (900.0, True), (-900.0, False)):
        face = mediapipe_faces.face_of(found(head()) | {"presence": presence}, pose(0, 0, 0), 400, 200)
        assert face.is_sure is is_sure and 0 <= face.confidence <= 1


@pytest.mark.parametrize(
    ("blendshapes", "expression"),
    [
        ({}, "neutral"),
        ({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.6}, "smiling"),
        ({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.6, "jawOpen": 0.6}, "smiling"),
        ({"jawOpen": 0.6}, "mouth open"),
        ({"eyeBlinkLeft": 0.8, "eyeBlinkRight": 0.7, "jawOpen": 0.6}, "eyes closed"),
        ({"eyeBlinkLeft": 0.8}, "neutral"),  # a wink, or an eye behind hair
    ],
)
def test_blendshapes_become_an_expression(blendshapes: dict[str, float], expression: str) -> None:
    assert mediapipe_faces.expression_of(STILL | blendshapes) == expression


def test_expression_does_not_depend_on_the_side() -> None:
    for name in STILL:
        for value in (0.3, 0.6, 0.9):
            other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
            one, mirrored = (mediapipe_faces.expression_of(STILL | {key: value}) for key in (name, other))
            assert one == mirrored


def test_faces_are_kept_as_json_and_back() -> None:
    plain = module("trainer.photos.plain")
    face = mediapipe_faces.face_of(found(head()), pose(10, 5, 0), 400, 200)
    assert plain.faces_from_json([dataclasses.asdict(face)]) == (face,)
