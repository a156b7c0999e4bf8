"""The command line as a user meets it: whole runs on the tiny model, Ctrl+C, and mistakes that end in a sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import PIL.Image
import pytest

from tests.trainer.conftest import save_photo
from trainer.__main__ import FINISHED, MISTAKE, STOPPED, main

ROOT = Path(__file__).parents[2]
JOB = """\
photos: {folder}/photos
subject: 米拉
output_dir: {folder}/out
model: {model}
training_adapter: none
trigger_word: none
low_vram: false
linear_rank: 4
total_steps: {steps}
save_every: 3
optimizer: adamw
learning_rate: 1e-3
training_resolution: 64
precision: fp32
"""


@pytest.fixture
def job_path(tmp_path, tiny_dir):
    for seed in range(3):
        save_photo(tmp_path / "photos" / f"{seed}.png", 64, 64, seed)
    (tmp_path / "photos" / "3.jpg").write_bytes(b"no picture")
    path = tmp_path / "job.yaml"
    path.write_text(JOB.format(folder=tmp_path.as_posix(), model=tiny_dir.as_posix(), steps=6), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")


def test_a_job_file_becomes_lora_files_and_a_curve(job_path, capsys):
    assert main(["train", str(job_path)]) == FINISHED
    said = capsys.readouterr().out
    out_dir = job_path.parent / "out"
    loras = sorted(path.name for path in (out_dir / "loras" / "米拉").iterdir())
    assert loras == ["米拉_000000003.safetensors", "米拉_000000006.safetensors"]
    assert PIL.Image.open(out_dir / "zimage_lora" / "米拉" / "loss_curve.png").size == (1200, 640)
    assert "3.jpg" in said and "a photo of 米拉" in said and "米拉_000000006.safetensors" in said

    started_s = time.monotonic()
    assert main(["train", str(job_path)]) == FINISHED
    assert time.monotonic() - started_s < 5
    assert "already made its 6 steps" in capsys.readouterr().out


def test_prepare_makes_working_copies_says_what_it_found_and_trains_nothing(job_path, capsys):
    assert main(["prepare", str(job_path)]) == FINISHED
    said = capsys.readouterr().out
    run_dir = job_path.parent / "out" / "zimage_lora" / "米拉"
    assert len(list((run_dir / "photos").glob("*.png"))) == 3
    assert "3.jpg" in said and "3 working copies" in said
    assert [path.name for path in run_dir.iterdir()] == ["photos"] and not (job_path.parent / "out" / "loras").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_saves_and_the_same_command_goes_on(job_path, capsys):
    text = job_path.read_text(encoding="utf-8")
    job_path.write_text(text.replace("total_steps: 6", "total_steps: 100000"), encoding="utf-8")
    command = [sys.executable, "-m", "trainer", "train", str(job_path)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    for line in process.stdout:
        if "saved" in line and "step 3" in line:
            process.send_signal(signal.SIGINT)
            break
    said = process.stdout.read()
    assert process.wait(timeout=60) == STOPPED
    assert "Run the same command again" in said and "Traceback" not in said

    stopped_after = int(said.rpartition("Stopped after step ")[2].split(";")[0])
    assert stopped_after >= 3
    more = f"total_steps: {stopped_after + 2}"
    job_path.write_text(text.replace("total_steps: 6", more), encoding="utf-8")
    assert main(["train", str(job_path)]) == FINISHED
    assert f"goes on at step {stopped_after + 1}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("linear_rank", "rank", "linear_rank"),
        ("low_vram: false", "low_vram: perhaps", "low_vram"),
        ("/photos", "/nowhere", "nowhere"),
        ("training_adapter: none", "training_adapter: my.safetensors", "my.safetensors"),
        ("subject: 米拉", "subject: a/b", "a/b"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing_half_written(job_path, capsys, before, after, said):
    job_path.write_text(job_path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    assert main(["train", str(job_path)]) == MISTAKE
    shown = capsys.readouterr().err
    assert said in shown and "Traceback" not in shown
    assert not (job_path.parent / "out").exists()


def test_v2_offline_names_the_file_its_address_and_what_to_do(job_path, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty_cache"))
    text = job_path.read_text(encoding="utf-8").replace("training_adapter: none", "training_adapter: V2")
    job_path.write_text(text, encoding="utf-8")
    assert main(["train", str(job_path)]) == MISTAKE
    shown = capsys.readouterr().err
    assert "zimage_turbo_training_adapter_v2.safetensors" in shown
    assert "https://huggingface.co/ostris/zimage_turbo_training_adapter" in shown
    assert "training_adapter:" in shown


@pytest.mark.parametrize(("locale", "said"), [("zh_CN.UTF-8", "没有任务文件"), ("en_US.UTF-8", "There is no job file")])
def test_messages_are_in_the_systems_language(monkeypatch, capsys, tmp_path, locale, said):
    monkeypatch.setenv("LC_ALL", locale)
    assert main(["train", str(tmp_path / "none.yaml")]) == MISTAKE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["prepare", "--help"], ["train", "--help"], ["demo", "--help"]])
def test_help_is_there_and_exits_well(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    assert "usage: python -m trainer" in capsys.readouterr().out


def test_the_job_file_in_the_help_is_a_job_file_with_the_defaults(capsys, tmp_path):
    from trainer.cli.job import JobFile, read_job
    from trainer.photos.cleaning.config import CleanConfig

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ") and ": " in line + " "]
    keys = {*JobFile.__dataclass_fields__, *CleanConfig.__dataclass_fields__}
    block = [line for line in lines if line.split(":")[0].strip() in keys]
    assert len(block) > 25
    path = tmp_path / "help.yaml"
    path.write_text("\n".join(block), encoding="utf-8")
    assert read_job(path) == JobFile(photos="C:/photos/merlina", subject="Merlina")


def test_help_does_not_wait_for_torch():
    seen = (
        "import sys; from trainer.__main__ import _parser; _parser('en').format_help(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", seen], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
