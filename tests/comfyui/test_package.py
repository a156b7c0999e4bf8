"""The published package in a fresh ComfyUI: unzipped into custom_nodes, with nothing beside it."""

from __future__ import annotations

import json
import re
import shutil
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator

import pytest

from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import PACK_NAME, ComfyServer
from tests.comfyui.workflow import node_of
from tests.nodes.schemas import declared_nodes
from tests.packing import pack

pytestmark = pytest.mark.comfyui

NODES = declared_nodes()


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A running ComfyUI that has the package and nothing else of ours."""
    base = tmp_path_factory.mktemp("fresh")
    server = ComfyServer(base, {})
    pack(base / "node.zip")
    with zipfile.ZipFile(base / "node.zip") as archive:
        archive.extractall(base / "custom_nodes" / PACK_NAME)
    (base / "input/mila").mkdir()
    for photo in sorted((POCKET / "photos/mila").iterdir())[:3]:
        shutil.copy(photo, base / "input/mila")
    with server:
        yield server


def fetch(server: ComfyServer, path: str) -> bytes:
    with urllib.request.urlopen(server.url + urllib.parse.quote(path), timeout=60) as answer:
        return answer.read()


def test_it_starts_without_a_word_of_complaint(unzipped: ComfyServer) -> None:
    for word in ("IMPORT FAILED", "comfy_entrypoint", "Traceback", "could not be loaded"):
        assert word not in unzipped.log()


def test_every_node_is_listed(unzipped: ComfyServer) -> None:
    assert NODES.keys() <= unzipped.get("/object_info").keys()


def test_every_script_of_ours_is_served(unzipped: ComfyServer) -> None:
    scripts = [path for path in json.loads(fetch(unzipped, "/extensions")) if f"/{PACK_NAME}/" in path]
    assert any(path.endswith("/extension.js") for path in scripts)
    assert all(fetch(unzipped, path) for path in scripts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_help_pages_and_their_pictures_are_served(unzipped: ComfyServer, language: str) -> None:
    docs = f"/extensions/{PACK_NAME}/docs"
    for node_id in NODES:
        page = fetch(unzipped, f"{docs}/{node_id}/{language}.md").decode()
        assert page.startswith("# ")
        pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
        assert pictures and all(fetch(unzipped, f"{docs}/{picture}")[:2] == b"\xff\xd8" for picture in pictures)


def test_templates_are_listed_with_their_thumbnails(unzipped: ComfyServer) -> None:
    names = unzipped.get("/api/workflow_templates")[PACK_NAME]
    assert sorted(names) == ["01_quick_start", "02_full_guide", "03_low_vram", "04_resume", "05_batch"]
    for name in names:
        assert json.loads(fetch(unzipped, f"/api/workflow_templates/{PACK_NAME}/{name}.json"))["nodes"]
        assert fetch(unzipped, f"/api/workflow_templates/{PACK_NAME}/{name}.jpg")[:2] == b"\xff\xd8"


def test_labels_are_there_in_chinese(unzipped: ComfyServer) -> None:
    chinese = unzipped.get("/api/i18n")["zh"]["nodeDefs"]
    assert chinese["TrainZImageLoRA"]["inputs"]["linear_rank"]["name"] == "LoRA 秩"


def test_photos_get_their_captions(unzipped: ComfyServer) -> None:
    info = unzipped.get("/object_info/AutoCaption")["AutoCaption"]["input"]["required"]
    defaults = {name: spec[1]["default"] for name, spec in info.items() if "default" in (spec[1:] or [{}])[0]}
    graph = {
        "1": {"class_type": "LoadPhotoFolder", "inputs": {"folder": "mila", "recursive": False}},
        "2": {"class_type": "AutoCaption", "inputs": defaults | {"photos": ["1", 0], "subject": "Mila"}},
    }
    ran = unzipped.run(graph, only=[node_of(graph, "AutoCaption")])
    assert ran.status == "success", ran.error
    assert "a photo of Mila" in ran.output("2")["text"][0]
