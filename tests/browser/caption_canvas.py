"""Driving the caption editor: its rows, its tools, an input method, and scrolling. Knows no test."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.canvas import open_canvas
from tests.browser.photo_canvas import show_node
from tests.comfyui.server import ComfyServer

LOADER, CAPTIONER = "1", "2"
"""The ids of LoadPhotoFolder and AutoCaption on a canvas where they were put in this order."""
OWN = {"2.png": "a young woman on a beach", "3.png": "(Mila:1.2) smiling", "5 海边.png": "Mila at the sea"}
"""What the user wrote beside photos."""


READY = "window.app && window.app.extensionManager && window.app.canvas && window.LiteGraph"


@contextlib.contextmanager
def open_captions(
    server: ComfyServer, folder: Path, design: str, size_px: tuple[int, int] = (1600, 1000)
) -> Iterator[Any]:
    """A page of a node design ("classic" or "new") with LoadPhotoFolder and AutoCaption on it, queued once."""
    with open_canvas(server, *size_px) as page:
        page.evaluate(f"app.extensionManager.setting.set('Comfy.VueNodes.Enabled', {str(design == 'new').lower()})")
        page.reload()
        wait_until_ready(page)
        draw_nodes(page, make_folder(folder))
        show_node(page, CAPTIONER)
        page.get_by_text("Queue this node once to see the captions here.").wait_for()
        queue(page, server)
        show_node(page, CAPTIONER)
        yield page
        page.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")


def wait_until_ready(page: Any) -> None:
    """Wait for the front end after a reload, and for the workflow that the page has kept."""
    page.wait_for_function(READY)
    page.wait_for_timeout(3000)


def make_folder(folder: Path, num_photos: int = 8) -> Path:
    """Photos of one colour each, some with captions beside them."""
    folder.mkdir(parents=True)
    for number in range(1, num_photos + 1):
        name = "5 海边.png" if number == 5 else f"{number}.png"
        Image.new("RGB", (96 + number, 128), (30 * number % 255, 120, 255 - 25 * number % 255)).save(folder / name)
        if name in OWN:
            (folder / name).with_suffix(".txt").write_text(OWN[name], encoding="utf-8")
    return folder


def draw_nodes(page: Any, folder: Path) -> None:
    """LoadPhotoFolder and AutoCaption on the canvas, connected, for the subject Mila."""
    page.evaluate(
        """folder => {
            app.rootGraph.clear();
            const [loader, captioner] = ["LoadPhotoFolder", "AutoCaption"].map((kind, index) => {
                const node = LiteGraph.createNode(kind);
                node.pos = [index * 460, 0];
                app.rootGraph.add(node);
                return node;
            });
            loader.connect(0, captioner, "photos");
            loader.widgets.find(({ name }) => name === "folder").value = folder;
            captioner.widgets.find(({ name }) => name === "subject").value = "Mila";
        }""",
        str(folder),
    )
    page.wait_for_timeout(800)


def queue(page: Any, server: ComfyServer) -> dict[str, str]:
    """Press Run, wait for the end, and give the caption of each photo, by name."""
    assert page.evaluate("app.queuePrompt(0)")
    deadline_s = time.monotonic() + 600
    while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(100)
    ran = max(server.get("/history").values(), key=lambda item: item["prompt"][0])
    assert ran["status"]["status_str"] == "success", ran["status"]
    page.wait_for_timeout(400)
    return {row["name"]: row["caption"] for row in ran["outputs"][CAPTIONER]["zimage_lora_captions"]}


def edits(page: Any) -> dict[str, dict[str, Any]]:
    """The edits in the widget: name of the photo -> what is said about it."""
    text = page.evaluate(
        "id => app.rootGraph.getNodeById(id).widgets.find(({ name }) => name === 'edits').value", CAPTIONER
    )
    said = json.loads(text)["photos"].values() if text else ()
    return {edit["name"]: {field: value for field, value in edit.items() if field != "name"} for edit in said}


def row(page: Any, name: str) -> Any:
    """A photo's row."""
    return page.locator(f'.zl-captions .zl-caption:has(.zl-name[title="{name}"])')


def area(page: Any, name: str) -> Any:
    """The field in which a photo's caption is written."""
    return row(page, name).locator("textarea")


def shown_names(page: Any) -> list[str]:
    """The names in the rows, from top to bottom."""
    return page.locator(".zl-captions .zl-caption .zl-name").all_text_contents()


def compose(page: Any, parts: list[str], text: str, key: str | None = None) -> None:
    """Type with an input method: the parts as they grow, a key pressed meanwhile, and the text that is chosen."""
    session = page.context.new_cdp_session(page)
    for part in parts:
        session.send("Input.imeSetComposition", {"text": part, "selectionStart": len(part), "selectionEnd": len(part)})
        page.wait_for_timeout(30)
    if key:
        down = {"type": "rawKeyDown", "key": key, "windowsVirtualKeyCode": 229, "nativeVirtualKeyCode": 229}
        session.send("Input.dispatchKeyEvent", down)
    session.send("Input.insertText", {"text": text})
    session.detach()
    page.wait_for_timeout(60)


def fill_with(page: Any, num_rows: int) -> None:
    """Show that many rows, as a run with that many photos would."""
    page.evaluate(
        """([id, count]) => {
            const node = app.rootGraph.getNodeById(id);
            const [first] = app.nodeOutputs[id].zimage_lora_captions;
            const rows = Array.from({ length: count }, (_, index) => (
                { ...first, hash: String(index).padStart(64, "0"), name: `${index}.jpg` }));
            node.onExecuted({
                zimage_lora_captions: rows, zimage_lora_caption_findings: [], zimage_lora_caption_edits: [""] });
        }""",
        [CAPTIONER, num_rows],
    )
    page.wait_for_timeout(500)


FRAMES = """async ([selector, pixels, ms]) => {
    const scroll = document.querySelector(selector);
    const stamps = [];
    const start = performance.now();
    await new Promise((resolve) => {
        const step = (now) => {
            stamps.push(now);
            const done = (now - start) / ms;
            if (scroll) scroll.scrollTop = Math.min(1, done) * pixels;
            if (done >= 1) resolve();
            else requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    });
    return { frames: stamps.length - 1, seconds: (stamps.at(-1) - stamps[0]) / 1000 };
}"""
"""Scroll through an element for a while, or only count frames where there is none."""


def frames_per_second(page: Any, selector: str, pixels: int, ms: int = 3000) -> float:
    """How many frames the page drew in a second while it scrolled through `pixels`."""
    counted = page.evaluate(FRAMES, [selector, pixels, ms])
    return counted["frames"] / counted["seconds"]


@contextlib.contextmanager
def plain_list(page: Any, height_px: int) -> Iterator[str]:
    """A list of plain text in the place of the captions, as a measure of the browser alone; gives its selector."""
    page.evaluate(
        """height => {
            const ours = document.querySelector(".zl-captions .zl-scroll");
            const box = document.createElement("div");
            box.className = "plain-list";
            box.style.cssText = "flex: 1; min-height: 0; overflow-y: auto";
            for (let top = 0; top < height; top += 116) {
                const row = document.createElement("div");
                row.style.height = "116px";
                row.textContent = `row at ${top}`;
                box.append(row);
            }
            ours.style.display = "none";
            ours.after(box);
        }""",
        height_px,
    )
    page.wait_for_timeout(500)
    yield ".plain-list"
    page.evaluate(
        """() => {
            document.querySelector(".plain-list").remove();
            document.querySelector(".zl-captions .zl-scroll").style.display = "";
        }"""
    )
