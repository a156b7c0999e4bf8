"""Driving the photo widgets: files let go over a node, drags over a photo, and what the node says. Knows no test."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from tests.comfyui.server import ComfyServer

LOADER, CLEANER, REPORT = "1", "2", "3"
"""The ids of LoadPhotoFolder, CleanAndResize and DatasetReport on a canvas where they were put in this order."""
TOP_PX = 110
"""Below the front end's own bars."""


def make_folder(folder: Path) -> Path:
    """A folder as people have it: photos, a copy of one, one of two persons, a caption, and what is no photo."""
    from skimage import data

    folder.mkdir()
    person, coffee = Image.fromarray(data.astronaut()), Image.fromarray(data.coffee())
    person.save(folder / "1 宇航员.png")
    person.save(folder / "2 copy.jpg", quality=40)
    coffee.save(folder / "3 coffee.png")
    two = Image.new("RGB", (900, 512), (120, 130, 140))
    two.paste(person)
    two.paste(ImageOps.mirror(person).resize((380, 380)), (520, 132))
    two.save(folder / "4 two.png")
    (folder / "3 coffee.txt").write_text("a cup", encoding="utf-8")
    (folder / "notes.pdf").write_bytes(b"%PDF")
    return folder


def drop(page: Any, selector: str, paths: list[Path]) -> None:
    """Let go of files over an element, as a file manager does."""
    box = page.locator(selector).bounding_box()
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    session.detach()


def widget(page: Any, node_id: str, name: str) -> Any:
    """A widget's value."""
    ask = "([id, name]) => app.rootGraph.getNodeById(id).widgets.find((widget) => widget.name === name).value"
    return page.evaluate(ask, [node_id, name])


def edits(page: Any) -> dict[str, Any]:
    """The edits in the widget: name of the photo -> what is said about it."""
    text = widget(page, CLEANER, "edits")
    said = json.loads(text)["photos"].values() if text else ()
    return {edit["name"]: {name: value for name, value in edit.items() if name != "name"} for edit in said}


def queue(page: Any, server: ComfyServer) -> dict[str, dict[str, Any]]:
    """Press Run, wait for the end, and give what the node said about each photo, by name."""
    assert page.evaluate("app.queuePrompt(0)")
    deadline_s = time.monotonic() + 600
    while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(200)
    ran = max(server.get("/history").values(), key=lambda item: item["prompt"][0])
    assert ran["status"]["status_str"] == "success", ran["status"]
    page.wait_for_timeout(500)
    return {photo["name"]: photo for photo in ran["outputs"][CLEANER]["zimage_lora_photos"]}


def card(page: Any, name: str) -> Any:
    """A photo's card in the grid."""
    return page.locator(f'.zl-photos .zl-card:has(.zl-name[title="{name}"])')


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the large photo; places are shares of it."""
    box = page.locator(".zl-over").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=4)
    page.mouse.up()


def show_node(page: Any, node_id: str, scale: float = 1.0) -> None:
    """Bring a node into the middle of the canvas."""
    page.evaluate(
        "([id, scale]) => { app.canvas.ds.scale = scale; app.canvas.centerOnNode(app.rootGraph.getNodeById(id)); "
        "app.canvas.setDirty(true, true); }",
        [node_id, scale],
    )
    page.wait_for_timeout(800)


def show_view(page: Any, node_id: str, selector: str, scale: float = 0.8) -> Any:
    """Bring a view on a node into sight, its upper edge near the window's, and give it."""
    show_node(page, node_id, scale)
    view = page.locator(f"{selector}:visible").first
    view.evaluate(
        """(view, topPx) => {
            const { canvas } = window.app;
            canvas.ds.offset[1] += (topPx - view.getBoundingClientRect().top) / canvas.ds.scale;
            canvas.setDirty(true, true);
        }""",
        TOP_PX,
    )
    page.wait_for_timeout(700)
    return view
