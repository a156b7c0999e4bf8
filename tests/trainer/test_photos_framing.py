"""Framing: shot, pose and subject from faces alone."""

from __future__ import annotations

import dataclasses

import pytest

from trainer.photos.edits import NO_EDIT, PhotoEdit
from trainer.photos.judging.framing import face_at, labelled, pose_of, shot_of, subject_first
from trainer.photos.photo import SHOTS, UNKNOWN, Face, Judgement


def face(middle_x: float = 0.5, middle_y: float = 0.4, height: float = 0.2, **values) -> Face:
    half = height / 2
    box = (middle_x - half * 0.8, middle_y - half, middle_x + half * 0.8, middle_y + half)
    return Face(**{"box": box, "confidence": 0.99, **values})


def five_points(nose_x: float) -> tuple[tuple[float, float], ...]:
    """Eyes 0.1 apart, the nose so far to the right of their middle, in shares of that distance."""
    return (0.45, 0.4), (0.55, 0.4), (0.5 + nose_x * 0.1, 0.45), (0.46, 0.5), (0.54, 0.5)


@pytest.mark.parametrize(
    ("height", "chin", "shot"),
    [(0.6, 0.7, "close-up"), (0.9, 1.1, "close-up"), (0.3, 0.9, "close-up"), (0.25, 0.5, "medium"),
     (0.1, 0.45, "medium"), (0.08, 0.2, "full body"), (0.05, 0.3, "full body")],
)  # fmt: skip
def test_shot_goes_by_the_face_and_what_is_below_it(height: float, chin: float, shot: str) -> None:
    assert shot_of(face(middle_y=chin - height / 2, height=height)) == shot


def test_coming_closer_never_makes_the_shot_wider() -> None:
    shots = [SHOTS.index(shot_of(face(height=step / 100))) for step in range(1, 120)]
    assert shots == sorted(shots, reverse=True) and set(shots) == {0, 1, 2}


def test_cutting_off_below_the_chin_never_makes_the_shot_wider() -> None:
    for bottom in (1.0, 0.9, 0.7, 0.55):
        box = (0.4, 0.3 / bottom, 0.6, 0.35 / bottom)
        assert SHOTS.index(shot_of(Face(box=box, confidence=1))) <= SHOTS.index(
            shot_of(face(middle_y=0.325, height=0.05))
        )


@pytest.mark.parametrize(
    ("nose", "pose"), [(0.0, "front"), (0.29, "front"), (0.4, "three-quarter"), (0.7, "profile"), (1.2, "profile")]
)
def test_pose_goes_by_the_nose_and_left_equals_right(nose: float, pose: str) -> None:
    assert pose_of(face(landmarks=five_points(nose)), 1.0) == pose_of(face(landmarks=five_points(-nose)), 1.0) == pose


def test_pose_does_not_depend_on_the_picture_being_wide() -> None:
    tilted = ((0.45, 0.35), (0.55, 0.45), (0.53, 0.45), (0.46, 0.5), (0.54, 0.5))
    wide = tuple((x / 2, y) for x, y in tilted)
    for scale in (0.5, 1.0):
        assert pose_of(face(landmarks=tilted), scale) == pose_of(face(landmarks=wide), 2 * scale)


@pytest.mark.parametrize(("yaw", "pose"), [(0, "front"), (-15, "front"), (35, "three-quarter"), (-80, "profile")])
def test_measured_yaw_decides_over_landmarks(yaw: float, pose: str) -> None:
    assert pose_of(face(yaw_deg=yaw, landmarks=five_points(1.2 - abs(yaw) / 100)), 1.0) == pose


def test_pose_without_landmarks_is_unknown() -> None:
    assert pose_of(face(), 1.0) == UNKNOWN


def test_largest_face_is_the_subject_and_passers_by_do_not_count() -> None:
    big, second, small = face(0.3, height=0.3), face(0.7, height=0.15), face(0.9, height=0.08)
    assert subject_first((small, second, big), NO_EDIT) == (big, second)


def test_of_faces_about_as_large_the_middle_one_is_the_subject() -> None:
    left, middle = face(0.15, height=0.22), face(0.5, height=0.2)
    assert subject_first((left, middle), NO_EDIT) == (middle, left)


def test_who_is_pointed_at_is_the_subject_however_small_or_unsure() -> None:
    big, small = face(0.3, height=0.3), face(0.9, height=0.05, confidence=0.5)
    first, *others = subject_first((big, small), PhotoEdit(face=(0.9, 0.4)))
    assert first == dataclasses.replace(small, confirmed=True) and first.is_sure
    assert others == [big]


def test_pointing_beside_every_face_changes_nothing() -> None:
    faces = face(0.3, height=0.3), face(0.7, height=0.2)
    assert face_at(faces, (0.5, 0.95)) is None
    assert subject_first(faces, PhotoEdit(face=(0.5, 0.95))) == subject_first(faces, NO_EDIT)


def test_of_overlapping_faces_the_one_that_holds_the_click_is_meant() -> None:
    big, small = face(0.4, height=0.5), face(0.5, height=0.1)
    assert face_at((big, small), (0.5, 0.4)) == small
    assert face_at((big, small), (0.3, 0.4)) == big


def test_user_who_says_that_there_is_no_face_is_believed() -> None:
    assert subject_first((face(),), PhotoEdit(no_face=True)) == ()


def test_face_from_a_retry_is_kept_but_does_not_count() -> None:
    retried = face(retried=True)
    assert subject_first((retried,), NO_EDIT) == (retried,)
    assert subject_first((retried, face(0.2, height=0.1)), NO_EDIT) == (face(0.2, height=0.1),)
    assert not retried.is_sure


def test_what_is_hardly_a_face_is_none() -> None:
    assert subject_first((face(confidence=0.75),), NO_EDIT) == ()


def test_labels_set_by_hand_win_and_are_listed() -> None:
    seen = Judgement(detector="mtcnn", shot="medium", pose="front")
    by_hand = labelled(seen, PhotoEdit(labels={"pose": "back", "manner": "posed"}))
    assert (by_hand.shot, by_hand.pose, by_hand.manner) == ("medium", "back", "posed")
    assert by_hand.labelled == ("manner", "pose")
    assert labelled(seen, NO_EDIT) == seen
