"""AutoCaption in a real ComfyUI: old graphs, what the editor is told, edits that hold, a CLIP only where needed."""

from __future__ import annotations

import json
import shutil
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from PIL import Image

from tests.comfyui.server import ComfyServer, Graph, Ran

pytestmark = pytest.mark.comfyui

LOAD, CAPTION, CLIP = "1", "3", "4"
ROW = {"hash", "name", "thumb", "caption", "plain", "origin", "feature", "faceless", "face", "edited"}


@pytest.fixture(scope="module")
def folder(server: ComfyServer) -> str:
    """Some of Mila's photos, one of them in a subfolder that says something."""
    source, target = server.base_dir / "input/mila", server.base_dir / "input/captioned"
    shutil.copytree(source, target)
    photo = next(path for path in sorted(target.iterdir()) if path.suffix in (".png", ".jpg"))
    (target / "with ponytail").mkdir()
    photo.rename(target / "with ponytail" / photo.name)
    return "captioned"


def graph_of(folder: str, **widgets: object) -> Graph:
    """Photos straight from their folder, captioned."""
    caption = {"photos": [LOAD, 0], "subject": "Mila", "template": "a photo of [subject]", **widgets}
    return {
        LOAD: {"class_type": "LoadPhotoFolder", "inputs": {"folder": folder, "recursive": True}},
        CAPTION: {"class_type": "AutoCaption", "inputs": caption},
    }


def rows_of(ran: Ran) -> list[dict[str, Any]]:
    """What the editor on the node is told."""
    assert ran.status == "success", ran.error
    return ran.output(CAPTION)["zimage_lora_captions"]


def edits_of(**photos: dict[str, object]) -> str:
    return json.dumps({"version": 1, "photos": photos})


def test_graph_of_subject_and_template_gives_rows_findings_and_small_pictures(server: ComfyServer, folder: str) -> None:
    ran = server.run(graph_of(folder))
    rows = rows_of(ran)
    assert len(rows) == 6 and all(set(row) == ROW for row in rows)
    (special,) = [row for row in rows if row["name"].startswith("with ponytail/")]
    assert special["caption"] == "a photo of Mila with ponytail" and special["feature"] == "ponytail"
    assert {row["caption"] for row in rows if row is not special} == {"a photo of Mila"}
    assert {(row["origin"], row["face"], row["edited"], row["faceless"]) for row in rows} == {
        ("template", None, False, False)
    }
    with urlopen(f"{server.url}/view?{urlencode(special['thumb'])}", timeout=60) as answer:
        assert max(Image.open(answer).size) <= 160
    shown = ran.output(CAPTION)
    assert shown["zimage_lora_caption_edits"] == [""] and isinstance(shown["zimage_lora_caption_findings"], list)
    assert f"{special['name']}: a photo of Mila with ponytail" in shown["text"][0]


def test_edits_change_their_captions_and_small_pictures_are_not_made_again(server: ComfyServer, folder: str) -> None:
    before = rows_of(server.run(graph_of(folder)))
    thumbs = {path: path.stat().st_mtime_ns for path in (server.base_dir / "output/zimage_lora/thumbs").iterdir()}
    said = {before[0]["hash"]: {"faceless": True, "feature": "hat"}, before[1]["hash"]: {"caption": "[subject] at sea"}}
    edits = edits_of(**said, **{"0" * 64: {"name": "gone.jpg", "caption": "x"}})  # type: ignore[arg-type]
    ran = server.run(graph_of(folder, edits=edits))
    after = rows_of(ran)
    assert [row["caption"] for row in after[:2]] == ["a photo of Mila with hat without face", "Mila at sea"]
    assert after[2:] == before[2:] and [row["edited"] for row in after[:2]] == [True, True]
    assert [row["plain"] for row in after] == [row["caption"] for row in before]
    assert ran.output(CAPTION)["zimage_lora_caption_edits"] == [edits]
    assert "gone.jpg" in ran.output(CAPTION)["text"][0]
    assert {path: path.stat().st_mtime_ns for path in thumbs} == thumbs


def test_edits_that_are_none_end_in_a_sentence(server: ComfyServer, folder: str) -> None:
    ran = server.run(graph_of(folder, edits="{"))
    assert ran.status == "error" and "Auto Caption" in ran.error


def with_clip(graph: Graph) -> Graph:
    """The same with Z-Image's own text encoder wired to the node."""
    graph[CLIP] = {"class_type": "PocketClipLoader", "inputs": {"clip_name": "pocket_qwen_3.safetensors"}}
    graph[CAPTION]["inputs"]["clip"] = [CLIP, 0]
    return graph


def test_a_clip_that_cannot_see_is_refused_by_name(server: ComfyServer, folder: str) -> None:
    ran = server.run(with_clip(graph_of(folder)))
    assert ran.status == "error" and "qwen3_4b" in ran.error


def test_a_clip_is_not_loaded_where_the_user_has_settled_every_caption(server: ComfyServer, folder: str) -> None:
    rows = rows_of(server.run(graph_of(folder)))
    edits = edits_of(**{row["hash"]: {"feature": ""} for row in rows})
    ran = server.run(with_clip(graph_of(folder, edits=edits, class_word="woman")))
    assert {row["caption"] for row in rows_of(ran)} == {"a photo of Mila"}
    assert CLIP not in {data["node"] for data in ran.of_type("executing")}


def test_text_that_the_user_changes_beside_a_working_copy_counts_at_the_next_queue(
    server: ComfyServer, folder: str
) -> None:
    graph = graph_of(folder, subject="Mina")
    graph["2"] = {"class_type": "CleanAndResize", "inputs": {"photos": [LOAD, 0], "longest_side_px": 256}}
    graph[CAPTION]["inputs"]["photos"] = ["2", 0]
    assert {row["origin"] for row in rows_of(server.run(graph))} == {"template"}
    again = server.run(graph)
    assert CAPTION in {node for data in again.of_type("execution_cached") for node in data["nodes"]}

    (copies,) = (server.base_dir / "output/zimage_lora/photos").glob(f"{folder}-*")
    text = next(iter(sorted(copies.glob("*.txt"))))
    text.write_text("Mina in the garden", encoding="utf-8")
    rows = rows_of(server.run(graph))
    assert [row["caption"] for row in rows if row["origin"] == "copy"] == ["Mina in the garden"]
    assert text.read_text(encoding="utf-8") == "Mina in the garden"
    assert rows_of(server.run(graph)) == rows
