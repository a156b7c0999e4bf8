"""The verb `caption`: captions beside the working copies, what there is to mend, and a folder for other trainers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.conftest import save_photo
from trainer.__main__ import FINISHED, MISTAKE, main
from trainer.cli.job import JobFile, job_from
from trainer.messages import UserError

JOB = """\
photos: {folder}/photos
subject: 米拉
output_dir: {folder}/out
model: {model}
face_detector: none
recursive: true
"""


@pytest.fixture
def job_path(tmp_path: Path, tiny_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job with a photo, one in a subfolder that says something, and one with a caption of the user's."""
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    for seed, name in enumerate(("1.png", "with hat/2.png", "3.png")):
        save_photo(tmp_path / "photos" / name, 64, 64, seed)
    (tmp_path / "photos/3.txt").write_text("[subject] at the sea", encoding="utf-8")
    path = tmp_path / "job.yaml"
    path.write_text(JOB.format(folder=tmp_path.as_posix(), model=tiny_dir.as_posix()), encoding="utf-8")
    return path


def add_to(job_path: Path, line: str) -> None:
    job_path.write_text(job_path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def test_captions_lie_beside_the_working_copies_and_nothing_beside_the_photos(
    job_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path for path in (job_path.parent / "photos").rglob("*"))
    assert main(["caption", str(job_path)]) == FINISHED
    said = capsys.readouterr().out
    copies = job_path.parent / "out/zimage_lora/米拉/photos"
    written = {path.read_text(encoding="utf-8") for path in copies.glob("*.txt")}
    assert written == {"a photo of 米拉", "a photo of 米拉 with hat", "米拉 at the sea"}
    assert "with hat/2.png: a photo of 米拉 with hat" in said and "3 captions lie beside the working copies" in said
    assert sorted(path for path in (job_path.parent / "photos").rglob("*")) == before


def test_findings_are_said_with_their_numbers(job_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (job_path.parent / "photos/3.txt").write_text("somebody at the sea", encoding="utf-8")
    assert main(["caption", str(job_path)]) == FINISHED
    assert "3.png" in capsys.readouterr().out.split("captions lie")[0]


@pytest.mark.parametrize("by_key", [True, False])
def test_dataset_is_exported_where_it_is_wanted(
    by_key: bool, job_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = job_path.parent / "for others"
    if by_key:
        add_to(job_path, f"export: {target.as_posix()}")
    assert main(["caption", str(job_path), *([] if by_key else ["--export", str(target)])]) == FINISHED
    captions = {path.read_text(encoding="utf-8") for path in target.rglob("*.txt")}
    assert captions == {"a photo of 米拉", "a photo of 米拉 with hat", "米拉 at the sea"}
    assert len(list(target.rglob("*.png"))) == 3 and str(target) in capsys.readouterr().out


def test_folder_without_a_vision_model_ends_in_a_sentence(job_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_to(job_path, f"vision_model: {(job_path.parent / 'nothing').as_posix()}")
    assert main(["caption", str(job_path)]) == MISTAKE
    assert "nothing" in capsys.readouterr().err


def test_every_caption_setting_can_be_written_in_a_job() -> None:
    settings = {
        "template": "a photo of [subject] [class] (studio)", "class_word": "woman", "faceless_photos": "set",
        "vision": "full", "feature_wording": "featuring [feature] (seen)", "faceless_wording": "body only",
    }  # fmt: skip
    job = job_from({"photos": "photos", "subject": "Mila", **settings})
    config = job.caption_config
    assert {name: getattr(config, name) for name in settings} == settings and config.subject == "Mila"
    assert JobFile(photos="photos", subject="Mila").caption_config.faceless_photos == "ask"


@pytest.mark.parametrize(
    ("name", "value"), [("faceless_photos", "always"), ("vision", "none"), ("feature_wording", "with")]
)
def test_caption_setting_that_is_none_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UserError):
        job_from({"photos": "photos", "subject": "Mila", name: value})
