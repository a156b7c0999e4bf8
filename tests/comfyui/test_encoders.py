"""HostEncoders in ComfyUI's own process: several captions and photos in one pass give what each gives alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui.server import comfyui_path, comfyui_python

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def said(pocket_files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("encoders")
    for path in pocket_files.glob("pocket_*.safetensors"):
        shutil.copy(path, folder)
    shutil.copytree(Path(__file__).parents[2] / "pocket/model/tokenizer", folder / "pocket_tokenizer")
    results, probe = folder / "results.json", Path(__file__).with_name("encoders_probe.py")
    command = [comfyui_python(), str(probe), str(comfyui_path()), str(folder), str(results)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return found


def test_captions_together_are_encoded_in_one_pass_to_what_each_is_alone(said: dict[str, Any]) -> None:
    assert said["largest"] > 0.1
    assert all(alone == together for alone, together in said["shapes"]) and len(said["shapes"]) == 6
    assert max(said["differences"]) <= 1e-5
    assert said["passes"] == [6, 2, 1], "the first time one caption is encoded alone as well, for comparison"


def test_photos_together_are_encoded_to_what_each_is_alone(said: dict[str, Any]) -> None:
    assert said["latents"] == [3, 16, 6, 8] and said["latents_difference"] <= 1e-5


def test_a_clip_that_cannot_take_several_captions_is_noticed(said: dict[str, Any]) -> None:
    kinds = ["sees behind", "other lengths", "two encoders", "two sections"]
    assert said["refused"] == dict.fromkeys(kinds, "host.captions_one_by_one")
