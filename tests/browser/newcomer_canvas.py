"""Driving the whole guide as a newcomer does: a file is opened, buttons are pressed, screens read. Knows no test."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.browser.sweep_canvas import open_design, reload, set_setting
from tests.comfyui.server import ComfyServer
from tests.comfyui.workflow import example, node_of, pocket_changes, pocket_version, to_api

LANGUAGES = ("en", "zh")


def guide_workflow(server: ComfyServer, run_name: str, subject: str) -> dict[str, Any]:
    """The second example in its pocket edition: no folder yet, and a training that only ends when it is asked to."""
    changes = pocket_changes("", run_name)
    changes["AutoCaption"] |= dict(subject=subject)
    changes["TrainZImageLoRA"] |= dict(total_steps=1000, save_every=8, checkpoints_to_keep=3)
    return pocket_version(example("02_full_guide"), server.get("/object_info"), changes)


def ids_of(server: ComfyServer, workflow: dict[str, Any]) -> dict[str, str]:
    """The ids of our nodes on the canvas, by type."""
    graph = to_api(workflow, server.get("/object_info"))
    ours = {node["type"] for node in workflow["nodes"] if node.get("properties", {}).get("cnr_id") == "zimage-lora"}
    return {kind: node_of(graph, kind) for kind in ours}


@contextlib.contextmanager
def open_newcomer(server: ComfyServer, design: str, language: str) -> Iterator[Any]:
    """A page of a node design in a language."""
    with open_design(server, design) as page:
        if language != "en":
            set_setting(page, "Comfy.Locale", language)
            reload(page)
        yield page


def open_file(page: Any, workflow: dict[str, Any], path: Path) -> None:
    """Open a workflow's file, as the menu does."""
    path.write_text(json.dumps(workflow), encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.evaluate("app.extensionManager.command.execute('Comfy.OpenWorkflow')")
    chooser.value.set_files([str(path)])
    page.wait_for_function("count => app.rootGraph.nodes.length === count", arg=len(workflow["nodes"]))
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1500)


def press_run(page: Any) -> None:
    """Press ComfyUI's own button."""
    page.get_by_test_id("queue-button").click()


def run_only(page: Any, node_id: str) -> None:
    """Select a node and run what it needs, as the button over a selected node does."""
    page.evaluate(
        """async id => {
            app.canvas.selectNode(app.rootGraph.getNodeById(id));
            await app.extensionManager.command.execute("Comfy.QueueSelectedOutputNodes");
        }""",
        node_id,
    )


def wait_for_end(page: Any, server: ComfyServer, num_before: int, limit_s: float = 600) -> dict[str, Any]:
    """Wait until one more job has ended than before, and give its outputs. Raises AssertionError if it failed."""
    deadline_s = time.monotonic() + limit_s
    while len(history := server.get("/history")) <= num_before:
        assert time.monotonic() < deadline_s, "nothing has ended"
        page.wait_for_timeout(200)
    ran = max(history.values(), key=lambda item: item["prompt"][0])
    said = [str(data.get("exception_message")) for _, data in ran["status"]["messages"] if "exception_message" in data]
    assert ran["status"]["status_str"] == "success", said
    page.wait_for_timeout(800)
    return dict(ran["outputs"])


def pictures_in(outputs: dict[str, Any], server: ComfyServer) -> list[np.ndarray]:
    """The pixels of the pictures that a job has saved, by the names of their files."""
    saved = [one for output in outputs.values() for one in output.get("images", ()) if one["type"] == "output"]
    paths = (server.base_dir / "output" / one["subfolder"] / one["filename"] for one in saved)
    return [np.asarray(Image.open(path)) for path in sorted(paths) if path.parent.name == "zimage_lora"]


_OURS = """() => [
    ...[...document.querySelectorAll(".zl-box, .zl-large, [role=dialog], [role=alertdialog], .p-toast-message")]
        .filter((one) => one.checkVisibility()).map((one) => [one.className, one.innerText]),
    ...[...document.querySelectorAll(":is(.zl-box, .zl-large) :is([title], [aria-label], [placeholder])")]
        .flatMap((one) => [one.title, one.ariaLabel, one.placeholder].filter(Boolean)
            .map((text) => [one.className || one.tagName, text])),
    ...app.rootGraph.nodes.flatMap((node) => (node.widgets ?? [])
        .filter(({ name }) => name.startsWith("$$")).map(({ name, value }) => [`${node.type} ${name}`, String(value)])),
]"""
"""What our views, the open dialogs and the texts under nodes say: (where, text)."""

_CHINESE = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+"
_IDS = r"[\w-]+\.safetensors|\w+_\w+|Z-Image LoRA"
"""Files, and settings as the workflow's file calls them, stand in brackets behind their Chinese name."""
_ENGLISH_TOO = {
    "ComfyUI", "MediaPipe", "LoRA", "CLIP", "VAE",  # names
    "Ctrl", "Esc", "fp32",  # keys and a precision
    "input", "models", "loras", "dataset",  # folders and a socket, as ComfyUI calls them
    "ponytail", "without face", "smiling",  # words of captions, which are English
}  # fmt: skip


def other_language(page: Any, language: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """What on the screen is in the other language, but for names that are given: (where, words)."""
    known = "|".join([*(re.escape(name) for name in sorted(names, key=len, reverse=True)), _IDS])
    foreign = _CHINESE if language == "en" else r"[A-Za-z]{3,}(?: [A-Za-z]+)*"
    found = []
    for where, text in page.evaluate(_OURS):
        said = re.findall(foreign, re.sub(known, "·", text))
        found += [(where, words) for words in said if words not in _ENGLISH_TOO]
    return found


_NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"
_COMFYUI_SAYS = {
    ("ComfyApp graph accessed before initialization", "/assets/settingStore"),  # while it starts
    (_NOT_FOUND, "/user.css"),  # a user's own style, of which there is none
    (_NOT_FOUND, "/api/userdata/user.css"),
    (_NOT_FOUND, "/api/userdata/comfy.templates.json"),  # a user's own templates
    (_NOT_FOUND, "/api/userdata"),  # the folder of a user's own subgraphs
}
"""What the console of a ComfyUI without any pack says too: the text, and the address without what changes in it."""


def errors_of_ours(page: Any, server: ComfyServer) -> list[tuple[str, str]]:
    """Errors in the console since the page was opened, but for those that ComfyUI prints by itself: text, address."""
    said = [(text, url.removeprefix(server.url)) for kind, text, url in page.said if kind == "error"]
    plain = [(text, re.sub(r"-[\w-]+\.js$|\?.*$", "", place)) for text, place in said]
    return [one for one in plain if one not in _COMFYUI_SAYS]
