"""ExportDataset in a real ComfyUI: from photos to a folder that Load Photo Folder reads with the same captions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.comfyui.server import ComfyServer, Graph, Ran
from trainer.captions.export.record import RECORD_NAME

pytestmark = pytest.mark.comfyui

CAPTION, EXPORT, SHOWN = "3", "4", "5"


def graph_of(folder: str, **export: str) -> Graph:
    """Photos captioned; with `folder_name` also cleaned and exported."""
    graph: Graph = {
        "1": {"class_type": "LoadPhotoFolder", "inputs": {"folder": folder, "recursive": False}},
        CAPTION: {
            "class_type": "AutoCaption",
            "inputs": {"photos": ["1", 0], "subject": "Mila", "template": "a photo of [subject]"},
        },
    }
    if export:
        graph["2"] = {"class_type": "CleanAndResize", "inputs": {"photos": ["1", 0], "longest_side_px": 256}}
        graph[CAPTION]["inputs"]["photos"] = ["2", 0]
        graph[EXPORT] = {"class_type": "ExportDataset", "inputs": {"dataset": [CAPTION, 0], **export}}
        graph[SHOWN] = {"class_type": "PreviewAny", "inputs": {"source": [EXPORT, 0]}}
    return graph


def captions(ran: Ran) -> list[str]:
    """The captions in the photos' order."""
    assert ran.status == "success", ran.error
    return [row["caption"] for row in ran.output(CAPTION)["zimage_lora_captions"]]


def test_exported_folder_is_read_with_the_same_captions(server: ComfyServer) -> None:
    photos = Path(shutil.copytree(server.base_dir / "input/mila", server.base_dir / "input/with own text"))
    photo = min(photos.glob("*.[jp][pn]g"))
    photo.with_suffix(".txt").write_text("Mila 在海边", encoding="utf-8")
    ran = server.run(graph_of(photos.name, folder_name="小美 set"))
    exported = captions(ran)
    folder = server.base_dir / "output/zimage_lora/datasets/小美 set"
    assert "Mila 在海边" in exported and len(exported) == 6 == len(list(folder.glob("*.png")))
    assert (folder / RECORD_NAME).exists() and (folder / "dataset.toml").exists()
    (path,) = ran.output(SHOWN)["text"]
    assert Path(path) == folder and str(folder) in ran.output(EXPORT)["text"][0]
    assert captions(server.run(graph_of(str(folder)))) == exported


def test_folder_is_called_like_the_subject_where_nobody_named_it(server: ComfyServer) -> None:
    ran = server.run(graph_of("mila", folder_name=" "))
    assert ran.status == "success" and (server.base_dir / "output/zimage_lora/datasets/Mila" / RECORD_NAME).exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..\\out", ".."])
def test_path_in_the_place_of_a_name_is_refused(server: ComfyServer, name: str) -> None:
    ran = server.run(graph_of("mila", folder_name=name))
    assert ran.status == "error" and "cannot be a folder name" in ran.error


def test_folder_that_is_not_our_export_stays_as_it_is(server: ComfyServer) -> None:
    mine = server.base_dir / "output/zimage_lora/datasets/mine/a.txt"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    ran = server.run(graph_of("mila", folder_name="mine"))
    assert ran.status == "error" and "Choose another name" in ran.error
    assert [path.name for path in mine.parent.iterdir()] == ["a.txt"] and mine.read_text() == "mine"
