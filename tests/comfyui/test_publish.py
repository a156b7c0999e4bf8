"""PublishLoRA in a real ComfyUI: the folder it writes, in the user's language, and what the node shows."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest
from safetensors import safe_open

from tests.comfyui.server import ComfyServer, Graph
from tests.trainer.lora_layouts import LAYOUTS, pairs

pytestmark = pytest.mark.comfyui


def graph(lora_name: str, **widgets: str) -> Graph:
    return {
        "1": {"class_type": "EmptyImage", "inputs": dict(width=640, height=512, batch_size=2, color=0x884422)},
        "2": {"class_type": "PublishLoRA", "inputs": {"lora_name": lora_name, "images": ["1", 0], **_ALL, **widgets}},
    }


_ALL = dict(title="", author="", description="", licence="mit", prompts="")


def test_a_lora_of_another_program_is_exported_with_cover_and_card(server: ComfyServer) -> None:
    LAYOUTS["onetrainer"](pairs()).write(server.base_dir / "models/loras/foreign.safetensors")
    ran = server.run(graph("foreign.safetensors", title="小雨 v1", author="某人", prompts="a photo of 小雨"))
    assert ran.status == "success", ran.error
    folder = server.base_dir / "output/zimage_lora/publish/小雨 v1"
    assert {path.name for path in folder.iterdir()} == {"小雨 v1.safetensors", "cover.jpg", "image_02.jpg", "README.md"}
    (shown,) = ran.output("2")["images"]
    assert (server.base_dir / "output" / shown["subfolder"] / shown["filename"]) == folder / "cover.jpg"
    with PIL.Image.open(folder / "cover.jpg") as cover:
        assert cover.size == (640, 512)
    listed = server.get("/object_info/PublishLoRA")["PublishLoRA"]["input"]["required"]["lora_name"]
    assert "foreign.safetensors" in json.dumps(listed)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card and str(server.base_dir) not in card


def test_an_exported_file_shows_its_metadata_in_comfyui(server: ComfyServer) -> None:
    published = server.base_dir / "output/zimage_lora/publish/小雨 v1/小雨 v1.safetensors"
    copy = server.base_dir / "models/loras/published.safetensors"
    copy.write_bytes(Path(published).read_bytes())
    shown = server.get("/view_metadata/loras?filename=published.safetensors")
    assert shown["modelspec.title"] == "小雨 v1" and shown["modelspec.author"] == "某人"
    assert shown["modelspec.thumbnail"].startswith("data:image/jpeg;base64,")
    with safe_open(copy, "pt") as file:
        assert file.metadata() == shown


def test_nothing_to_publish_is_said(server: ComfyServer) -> None:
    assert "lora_name" in server.run(graph("none")).error
