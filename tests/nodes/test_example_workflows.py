"""The example workflows as files: complete, bilingual, and in step with the nodes. tests/comfyui runs them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.browser.examples.graphs import GRAPHS
from tests.nodes.schemas import ROOT, declared_nodes
from trainer.photos.cleaning.config import CleanConfig
from trainer.sweep.cells import SweepConfig
from trainer.training.config import TrainConfig

FOLDER = ROOT / "example_workflows"
NAMES = ("01_quick_start", "02_full_guide", "03_low_vram", "04_resume", "05_batch")
NODES = declared_nodes()
BYPASSED = 4
ALWAYS_NEEDED = {"z_image_turbo_bf16.safetensors", "ae.safetensors", "zimage_turbo_training_adapter_v2.safetensors"}
LOADERS = {
    "UNETLoader": "diffusion_models",
    "CLIPLoader": "text_encoders",
    "VAELoader": "vae",
    "CLIPVisionLoader": "clip_vision",
    "UpscaleModelLoader": "upscale_models",
    "LoadMediaPipeFaceLandmarker": "detection",
}


def nodes_of(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["nodes"]


def files_of(node: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What a node has ComfyUI offer for download, by file name."""
    return {file["name"]: file for file in node["properties"].get("models", [])}


def test_there_are_no_other_workflows() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_our_nodes_are_saved_with_exactly_the_widgets_they_have(name: str) -> None:
    """The front end reads values by position: after a widget more, `python -m tests.browser.make_examples`."""
    for node in nodes_of(name):
        if node["type"] in NODES:
            widgets = [entry["name"] for entry in node["inputs"] if "widget" in entry]
            declared = [given for given in NODES[node["type"]].inputs if given in widgets]
            assert set(widgets) <= set(declared) | {"upload"}, node["type"]
            sockets = {entry["name"] for entry in node["inputs"]}
            assert sockets == NODES[node["type"]].inputs.keys(), node["type"]


@pytest.mark.parametrize("name", NAMES)
def test_widgets_have_their_defaults_but_for_those_the_graph_sets(name: str) -> None:
    (graph,) = (made for made in (make() for make in GRAPHS) if made.path.stem == name)
    wanted = {node["kind"]: node["widgets"] for node in graph.nodes.values()}
    configs = {"TrainZImageLoRA": TrainConfig, "CheckpointSweep": SweepConfig, "CleanAndResize": CleanConfig}
    notes = {node["widgets"]["text"] for node in graph.nodes.values() if node["kind"] == "MarkdownNote"}
    assert {node["widgets_values"][0] for node in nodes_of(name) if node["type"] == "MarkdownNote"} == notes
    for node in nodes_of(name):
        saved = node.get("widgets_values_named", {})
        for field in dataclasses.fields(configs[node["type"]]) if node["type"] in configs else ():
            if isinstance(field.default, (bool, int, float)) and field.name not in wanted[node["type"]]:
                assert saved[field.name] == field.default, (node["type"], field.name)
        if node["type"] == "TrainZImageLoRA":
            assert saved["run_name"] == wanted[node["type"]].get("run_name", "")
        if node["type"] == "CheckpointSweep" and "prompts" not in wanted[node["type"]]:
            assert saved["prompts"].splitlines() == list(SweepConfig().prompts)


@pytest.mark.parametrize("name", NAMES)
def test_every_loader_offers_its_own_file_and_names_its_folder(name: str) -> None:
    offered = {}
    for node in nodes_of(name):
        files = files_of(node)
        if folder := LOADERS.get(node["type"]):
            (file,) = files.values()
            assert (file["name"], file["directory"]) == (node["widgets_values"][0], folder)
        for file_name, file in files.items():
            assert file["url"].startswith("https://huggingface.co/") and file["url"].endswith(f"/{file_name}")
        if node["mode"] != BYPASSED:
            offered |= files
    assert offered.keys() >= ALWAYS_NEEDED
    assert len(offered) == 4, "what is switched on needs the four files of the README and nothing else"


@pytest.mark.parametrize("name", NAMES)
def test_nodes_say_which_pack_they_come_from(name: str) -> None:
    for node in nodes_of(name):
        if node["type"] != "MarkdownNote":
            assert node["properties"]["cnr_id"] == ("zimage-lora" if node["type"] in NODES else "comfy-core")


@pytest.mark.parametrize("name", NAMES)
def test_notes_are_in_both_languages_and_name_the_widgets_there_are(name: str) -> None:
    widgets = {given for node in NODES.values() for given in node.inputs}
    notes = [node["widgets_values"][0] for node in nodes_of(name) if node["type"] == "MarkdownNote"]
    assert notes
    for note in notes:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in note)
        for named in _ids_in(note):
            assert named in widgets, named


def _ids_in(note: str) -> set[str]:
    """Words with an underscore that stand out and are no file."""
    words = set(re.findall(r"(?<![*\w])\*(\w+)\*(?![*\w])", note))
    return {word for word in words if word.isidentifier() and "_" in word and not word[0].isdigit()}


@pytest.mark.parametrize("name", NAMES)
def test_thumbnail_is_a_small_picture(name: str) -> None:
    path: Path = FOLDER / f"{name}.jpg"
    assert path.stat().st_size < 150_000
    with Image.open(path) as picture:
        assert 600 <= picture.width <= 1200
