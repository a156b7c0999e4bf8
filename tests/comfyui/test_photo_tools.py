"""Photo tools on ComfyUI's own classes: each socket's object is called as core calls it, and places come back right.

With small or random weights: SAM3 and BiRefNet themselves, whose files are gigabytes, are not run. Core's SAM3Model is,
with a narrow backbone; core's BackgroundRemovalModel is, around another network.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui.server import comfyui_path, comfyui_python

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What photo_tools_probe.py found in ComfyUI's own Python."""
    folder = tmp_path_factory.mktemp("photo_tools")
    script = Path(__file__).with_name("photo_tools_probe.py")
    command = [str(part) for part in (comfyui_python(), script, comfyui_path(), folder)]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_an_upscaler_enlarges_a_face_made_as_small_as_its_detail(said: dict[str, Any]) -> None:
    found = said["upscaler"]
    assert found["sizes"] == [[512, 512]] * 4
    least, at_128, at_200, at_512 = found["apart"]
    assert least == at_128, "never smaller than what four times gives the face's size"
    assert at_128 > at_200 >= at_512 and at_128 < 2


def test_background_removal_gives_the_matte_in_the_pictures_own_place(said: dict[str, Any]) -> None:
    found = said["remover"]
    assert (found["size"], found["mode"]) == ([96, 64], "L")
    assert found["inside"] > 250 and found["outside"] < 40


def test_sam3_gives_the_masks_that_cores_own_node_gives_and_all_of_them(said: dict[str, Any]) -> None:
    found = said["segmenter"]
    assert found["count"] == found["cores"] == 12, "core alone would give one: its prompt asks for one person"
    assert found["sizes"] == [[96, 64]]
    assert 0.05 < found["share"] < 0.95 and found["agree"] > 0.999
    assert found["two_prompts"] == 2 and found["other_name"]


def test_a_wrong_model_or_prompt_is_named_before_any_work(said: dict[str, Any]) -> None:
    assert said["wrong_sockets"] == {
        "another model": "host.not_sam3",
        "no prompt": "host.no_segment_prompt",
        "another prompt": "host.wrong_segment_prompt",
    }


def test_face_restorers_are_recognised_by_their_files(said: dict[str, Any]) -> None:
    files = said["restorer_files"]
    assert files["broken"] == "photos.model_file_unreadable"
    assert files["foreign"] == "photos.model_file_unknown"
    for kind in ("gfpgan", "restoreformer", "compact"):
        assert files[kind]["size"] == [512, 512] and files[kind]["name"].startswith(f"{kind}.safetensors ")
    assert files["compact"]["apart"] < 2
    assert files["gfpgan"]["apart"] > 24 and files["restoreformer"]["apart"] > 24, (
        "random weights: enhancing refuses it"
    )


def test_gfpgan_is_asked_in_its_own_range_and_draws_no_random_noise(said: dict[str, Any]) -> None:
    seen = said["restorer_files"]["gfpgan_range"]
    assert (seen["low"], seen["high"]) == (-1.0, 1.0) and seen["apart"] <= 1
    assert seen["noise"] is False and seen["rgb"] is False
    assert said["restorer_files"]["gfpgan"]["same"], "with another global seed"


def test_lama_paints_in_the_mask_and_nowhere_else(said: dict[str, Any]) -> None:
    found = said["lama_file"]
    assert found["size"] == [160, 120] and found["outside"] == 0 and found["inside"] > 0.9 and found["large"]


def test_threads_wait_for_each_other(said: dict[str, Any]) -> None:
    assert said["threads"] == {"same": True, "most_at_once": 1}


def test_tools_without_work_are_neither_loaded_nor_in_the_keys(said: dict[str, Any]) -> None:
    found = said["choices"]
    assert found["quiet"] and found["loud"] and found["same_other_names"]
    assert found["off"] == [] and found["default"] == found["file"] == ["segment_model", "segment_prompt"]
    assert found["all"] == ["bg_removal_model", "segment_model", "segment_prompt", "upscale_model"]


def test_names_change_with_the_weights_and_say_whose_they_are(said: dict[str, Any]) -> None:
    names = [said[case]["name"] for case in ("upscaler", "remover", "segmenter", "lama_file")]
    assert [name.split()[0] for name in names] == [
        "upscale_model", "bg_removal_model", "segment_model", "lama.safetensors",
    ]  # fmt: skip
    assert all(len(name.split()[1]) == 12 for name in names)
