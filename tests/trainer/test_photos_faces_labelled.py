"""Faces, shots and poses against labels made by hand (face_labels.json says of which pictures)."""

from __future__ import annotations

import pytest

from tests.trainer.face_scores import Looked, labelled_pictures, look, right, right_people
from trainer.photos.faces.mtcnn import installed_face_detector


def looked_at(kind: str, step: int) -> list[Looked]:
    """Every so many pictures."""
    detector = installed_face_detector()
    if detector is None:
        pytest.skip("facenet-pytorch is not installed: pip install --no-deps facenet-pytorch")
    pictures = labelled_pictures(kind)[::step]
    if len(pictures) < 40 / step:
        pytest.skip("the labelled pictures are not installed: pip install comfyui-workflow-templates")
    return [look(detector, label, path) for label, path in pictures]


def test_faces_shots_and_poses_agree_with_hand_labels() -> None:
    check(looked_at("people", 4), least_shots=0.8)  # one in four is too few for the whole set's bound


@pytest.mark.slow
def test_faces_shots_and_poses_agree_with_all_hand_labels() -> None:
    check(looked_at("people", 1), least_shots=0.88)


def check(looked: list[Looked], least_shots: float) -> None:
    easy = [one for one in looked if not one.label["hard"]]
    assert sum(one.is_found for one in easy) >= 0.95 * len(easy)
    for name, least in (("shot", least_shots), ("pose", 0.7)):
        num_right, num = right(looked, name)
        assert num_right >= least * num, name
    num_right, num = right_people(looked)
    assert num_right >= 0.9 * num


@pytest.mark.slow
def test_pictures_without_people_show_no_sure_face() -> None:
    looked = looked_at("nobody", 1)
    assert sum(one.is_found for one in looked) <= 1
    assert sum(bool(one.faces) for one in looked) <= 3
