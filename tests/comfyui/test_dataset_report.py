"""DatasetReport in a real ComfyUI: behind each node that gives photos or a dataset, in the user's language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from PIL import Image

from tests.comfyui.server import ComfyServer, Graph, QueueRefused, Ran
from trainer.photos.cleaning.config import CleanConfig

pytestmark = pytest.mark.comfyui

REPORT, PREVIEW = "9", "10"


def graph_of(behind: str, folder: str = "mila") -> Graph:
    """A graph whose report hangs behind a node of this type; the picture also goes to Preview Image."""
    chain = {
        "LoadPhotoFolder": ("1", {"folder": folder, "recursive": False}),
        "CleanAndResize": ("2", {**asdict(CleanConfig(longest_side_px=256)), "photos": ["1", 0]}),
        "AutoCaption": ("3", {"photos": ["2", 0], "subject": "Mila", "template": "a photo of [subject]"}),
    }
    graph: Graph = {}
    for class_type, (node_id, inputs) in chain.items():
        graph[node_id] = {"class_type": class_type, "inputs": inputs}
        if class_type == behind:
            break
    graph[REPORT] = {"class_type": "DatasetReport", "inputs": {"photos": [list(graph)[-1], 0]}}
    graph[PREVIEW] = {"class_type": "PreviewImage", "inputs": {"images": [REPORT, 0]}}
    return graph


def picture(server: ComfyServer, shown: dict[str, Any]) -> Image.Image:
    """A picture that a node has shown."""
    with urlopen(f"{server.url}/view?{urlencode(shown)}", timeout=60) as answer:
        return Image.open(BytesIO(answer.read())).convert("RGB")


def told(ran: Ran) -> str:
    """The report's text."""
    assert ran.status == "success", ran.error
    (text,) = ran.output(REPORT)["text"]
    return text


@pytest.fixture
def in_chinese(server: ComfyServer) -> Iterator[None]:
    """ComfyUI's language set to Chinese for one test."""
    path = server.base_dir / "user/default/comfy.settings.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "Comfy.Locale": "zh"}))
    yield
    path.write_text(before)


@pytest.mark.parametrize("behind", ["LoadPhotoFolder", "CleanAndResize", "AutoCaption"])
def test_report_hangs_behind_every_node_that_gives_photos(server: ComfyServer, behind: str) -> None:
    ran = server.run(graph_of(behind))
    text = told(ran)
    assert "[!] Photos: 6; 70 to 80 are recommended" in text
    assert ("[x] Captions: 6 of 6" in text) == (behind == "AutoCaption")
    (own,), (previewed,) = ran.output(REPORT)["images"], ran.output(PREVIEW)["images"]
    assert picture(server, own).size == picture(server, previewed).size
    assert picture(server, own).width == 1600


def test_report_speaks_the_users_language(server: ComfyServer, in_chinese: None) -> None:
    graph = graph_of("LoadPhotoFolder")
    graph["1"]["inputs"]["recursive"] = True  # what ran before in English is not run again
    assert "检查清单" in told(server.run(graph))


def test_report_warns_about_awkward_files_and_runs_on(server: ComfyServer) -> None:
    folder = server.base_dir / "input/awkward"
    folder.mkdir(exist_ok=True)
    for name in ('小美 "的" 照片 😀.png', "a\nb.png", "{x}.png"):
        Image.new("RGB", (300, 200), (150, 120, len(name))).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"<html>")
    text = told(server.run(graph_of("LoadPhotoFolder", "awkward")))
    assert "- broken.jpg: " in text and "{x}.png" in text


def test_report_without_photos_is_refused_before_anything_runs(server: ComfyServer) -> None:
    with pytest.raises(QueueRefused):
        server.run({REPORT: {"class_type": "DatasetReport", "inputs": {}}})
