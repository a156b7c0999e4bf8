"""Judge: what is seen is kept, what the user says is applied afterwards, and a finished copy is measured anew."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from tests.trainer.planted_changes import blurred, photo_of
from trainer.messages import Message
from trainer.photos.edits import NO_EDIT, Edits, PhotoEdit
from trainer.photos.judging.judge import judge, judge_again, judge_photos
from trainer.photos.load import load_photos
from trainer.photos.memo import Memo
from trainer.photos.photo import Face, PhotoSet
from trainer.photos.plain import judgement_as_json, judgement_from_json

ASTRONAUT = Face(
    box=(0.36, 0.12, 0.53, 0.37),
    confidence=0.99,
    landmarks=((0.40, 0.21), (0.48, 0.21), (0.44, 0.27), (0.41, 0.31), (0.48, 0.31)),
    expression="smiling",
)
"""By hand."""
MODEL = Face(box=(0.72, 0.02, 0.8, 0.12), confidence=0.95)
"""Something else that a detector might take for a face."""


class HandDetector:
    """Says of every picture what was found in it by hand, and counts how often it is asked."""

    name = "hand"

    def __init__(self, *faces: Face) -> None:
        self.faces = faces
        self.num_asked = 0

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        assert image.mode == "RGB" and max(image.size) <= 1024
        self.num_asked += 1
        return self.faces


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


@pytest.fixture
def photos(tmp_path: Path, astronaut: Image.Image) -> PhotoSet:
    folder = tmp_path / "photos"
    folder.mkdir()
    astronaut.save(folder / "a.png")
    blurred(3)(astronaut).save(folder / "b.png")
    return load_photos(folder, recursive=False)


def keys(findings: tuple[Message, ...]) -> list[str]:
    return [finding.key.removeprefix("photos.") for finding in findings]


def test_a_face_is_judged_with_shot_pose_quality_light_and_outfit(astronaut: Image.Image) -> None:
    judgement = judge(astronaut, photo_of(astronaut), HandDetector(ASTRONAUT), NO_EDIT)
    assert (judgement.shot, judgement.pose, judgement.expression) == ("medium", "front", "smiling")
    assert judgement.quality and judgement.quality.measured_on == "face" and judgement.quality.face_height_px == 128
    assert len(judgement.faces) == 1 and judgement.lighting and judgement.outfit and not judgement.findings


def test_without_a_detector_nothing_about_faces_is_guessed(astronaut: Image.Image) -> None:
    judgement = judge(astronaut, photo_of(astronaut), None, NO_EDIT)
    assert judgement.detector == "none" and not judgement.faces
    assert {judgement.shot, judgement.pose, judgement.expression, judgement.manner} == {"unknown"}
    assert judgement.lighting == judgement.outfit == () and not judgement.findings
    assert judgement.quality and judgement.quality.measured_on == "picture"


def test_a_judgement_survives_being_written_down(astronaut: Image.Image) -> None:
    detector = HandDetector(ASTRONAUT, MODEL)
    judgement = judge(blurred(3)(astronaut), photo_of(astronaut), detector, PhotoEdit(labels={"pose": "profile"}))
    assert judgement_from_json(json.loads(json.dumps(judgement_as_json(judgement)))) == judgement


def test_a_second_run_asks_no_detector_and_reads_no_photo(tmp_path: Path, photos: PhotoSet) -> None:
    detector, memo = HandDetector(ASTRONAUT), Memo(tmp_path / "memo")
    first = judge_photos(photos, detector, Edits(), memo)
    assert detector.num_asked == 2 and keys(first.photos[1].judgement.findings) == ["face_blurred"]  # type: ignore[union-attr]
    for photo in photos.photos:
        photo.path.unlink()
    assert judge_photos(photos, detector, Edits(), memo) == first and detector.num_asked == 2


def test_another_label_or_face_costs_no_second_look(tmp_path: Path, photos: PhotoSet) -> None:
    detector, memo = HandDetector(ASTRONAUT, MODEL), Memo(tmp_path / "memo")
    judge_photos(photos, detector, Edits(), memo)
    for photo in photos.photos:
        photo.path.unlink()
    edit = PhotoEdit(labels={"shot": "close-up", "manner": "posed"}, face=(0.76, 0.07))
    edits = Edits(photos={photos.photos[0].content_hash: edit})
    [judgement, other] = [photo.judgement for photo in judge_photos(photos, detector, edits, memo).photos]
    assert judgement and (judgement.shot, judgement.manner) == ("close-up", "posed")
    assert set(judgement.labelled) == {"shot", "manner", "faces"}
    assert judgement.faces[0].box == MODEL.box and judgement.quality and judgement.quality.face_height_px == 51
    assert judgement.found == (ASTRONAUT, MODEL)
    assert other and other.shot == "medium" and detector.num_asked == 2


def test_a_photo_without_the_subjects_face_is_measured_as_a_whole(tmp_path: Path, photos: PhotoSet) -> None:
    memo = Memo(tmp_path / "memo")
    judge_photos(photos, HandDetector(ASTRONAUT), Edits(), memo)
    edits = Edits(photos={photo.content_hash: PhotoEdit(no_face=True) for photo in photos.photos})
    for photo in judge_photos(photos, HandDetector(ASTRONAUT), edits, memo).photos:
        judgement = photo.judgement
        assert judgement and judgement.faces == () and judgement.found == (ASTRONAUT,) and judgement.shot == "unknown"
        assert judgement.quality and judgement.quality.measured_on == "picture"
        assert "no_face" not in keys(judgement.findings)


def test_a_damaged_or_foreign_memo_is_looked_past(tmp_path: Path, photos: PhotoSet) -> None:
    memo = Memo(tmp_path / "memo")
    first = judge_photos(photos, HandDetector(ASTRONAUT), Edits(), memo)
    for number, path in enumerate(sorted((tmp_path / "memo").iterdir())):
        path.write_text('{"measured": [{}]}' if number else '{"half', encoding="utf-8")
    assert judge_photos(photos, HandDetector(ASTRONAUT), Edits(), memo) == first


def test_progress_names_every_photo_and_can_stop_the_work(photos: PhotoSet) -> None:
    said: list[tuple[int, int, str]] = []

    def listen(done: int, total: int, doing: Message) -> None:
        said.append((done, total, str(doing.values["name"])))

    judge_photos(photos, None, Edits(), Memo(None), listen)
    assert {name for _, _, name in said} == {"a.png", "b.png"} and said[-1][:2] == (2, 2)

    def stop(done: int, total: int, doing: Message) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge_photos(photos, None, Edits(), Memo(None), stop)


def test_a_finished_copy_is_measured_by_its_own_pixels(astronaut: Image.Image) -> None:
    judgement = judge(astronaut, photo_of(astronaut), HandDetector(ASTRONAUT), NO_EDIT)
    soft = judge_again(blurred(3)(astronaut), judgement)
    assert keys(soft.findings) == ["face_blurred"] and soft.faces == judgement.faces and soft.shot == judgement.shot
    small = judge_again(astronaut.resize((160, 160), Image.Resampling.LANCZOS), judgement)
    assert small.quality and small.quality.face_height_px == 40
    assert keys(small.findings) == ["low_resolution", "small_face"]
    assert judge_again(astronaut, judgement) == judgement
    large = judge_again(astronaut.resize((2048, 2048)), judgement)
    assert large.quality and large.quality.face_height_px == 512
    assert dataclasses.replace(large, quality=None, findings=()).faces == judgement.faces
