"""Driving the sweep viewer: a small sweep on the canvas, its grid, its dialogs, and what was chosen. Knows no test."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser.canvas import open_canvas, show_workflow
from tests.browser.caption_canvas import wait_until_ready
from tests.browser.photo_canvas import show_node
from tests.comfyui.server import ComfyServer, Graph
from tests.comfyui.workflow import node_of, pocket_changes, pocket_version, quick_start, to_api

PROPERTY = "zimage_lora_sweep"
GRID = ".zl-sweep .zl-sweep-grid"


def sweep_workflow(server: ComfyServer, run_name: str) -> dict[str, Any]:
    """The quick start with a sweep of two prompts, two seeds and a canary, small."""
    changes = pocket_changes("mila", run_name)
    prompts = "a photo of [subject]\na photo of [subject], professional portrait, studio lighting"
    changes["CheckpointSweep"] |= dict(prompts=prompts, num_seeds=2)
    return pocket_version(quick_start(), server.get("/object_info"), changes)


def sweep_id(server: ComfyServer, workflow: dict[str, Any]) -> str:
    """The id of CheckpointSweep."""
    return node_of(to_api(workflow, server.get("/object_info")), "CheckpointSweep")


@contextlib.contextmanager
def open_design(server: ComfyServer, design: str, size_px: tuple[int, int] = (1600, 1000)) -> Iterator[Any]:
    """A page of a node design, "classic" or "new"."""
    with open_canvas(server, *size_px) as page:
        set_setting(page, "Comfy.VueNodes.Enabled", design == "new")
        reload(page)
        yield page
        for name, value in (("VueNodes.Enabled", False), ("Locale", "en"), ("ColorPalette", "dark")):
            set_setting(page, f"Comfy.{name}", value)


@contextlib.contextmanager
def open_sweep(server: ComfyServer, design: str, workflow: dict[str, Any], node_id: str) -> Iterator[Any]:
    """A page of that design with the workflow open, and its sweep run by a script."""
    with open_design(server, design) as page:
        show_sweep(page, workflow, node_id)
        queue_from_elsewhere(page, server, to_api(workflow, server.get("/object_info")), node_id)
        cell(page, 0, 0).wait_for()
        show_node(page, node_id, 0.85)
        yield page


def set_setting(page: Any, name: str, value: Any) -> None:
    """Set one of ComfyUI's settings and wait until the server has it."""
    page.evaluate("([name, value]) => app.extensionManager.setting.set(name, value)", [name, value])
    page.wait_for_timeout(300)


def reload(page: Any) -> None:
    """Reload the page, as F5 does."""
    page.reload()
    wait_until_ready(page)


def show_sweep(page: Any, workflow: dict[str, Any], node_id: str) -> None:
    """Load the workflow and bring the sweep into the middle."""
    show_workflow(page, workflow)
    show_node(page, node_id, 0.85)


def wait_until_idle(page: Any, server: ComfyServer) -> dict[str, Any]:
    """Wait for the end of the queue, and give what the last job did."""
    deadline_s = time.monotonic() + 900
    while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(200)
    ran = max(server.get("/history").values(), key=lambda item: item["prompt"][0])
    said = [str(data.get("exception_message")) for _, data in ran["status"]["messages"] if "exception_message" in data]
    assert ran["status"]["status_str"] == "success", said
    page.wait_for_timeout(500)
    return ran["outputs"]


def queue(page: Any, server: ComfyServer) -> dict[str, Any]:
    """Press Run, wait for the end, and give the nodes' outputs."""
    assert page.evaluate("app.queuePrompt(0)")
    return wait_until_idle(page, server)


def queue_from_elsewhere(page: Any, server: ComfyServer, graph: Graph, node_id: str) -> dict[str, Any]:
    """Queue what a node needs as a script does, whose answers no page gets."""
    server.post("/prompt", {"prompt": graph, "client_id": "a script", "partial_execution_targets": [node_id]})
    return wait_until_idle(page, server)


def cell(page: Any, row: int, column: int) -> Any:
    """A picture of the grid, by index."""
    return page.locator(f'{GRID} .zl-cell[data-row="{row}"][data-column="{column}"]')


def row_head(page: Any, label: str) -> Any:
    """The head of the row with this label."""
    return page.locator(f'{GRID} .zl-row-head:has(.zl-name:text-is("{label}"))')


def choice(page: Any, node_id: str) -> str:
    """What the widget says."""
    ask = "id => app.rootGraph.getNodeById(id).widgets.find(({ name }) => name === 'choice').value"
    return page.evaluate(ask, node_id)


def kept(page: Any, node_id: str) -> dict[str, Any]:
    """What the node keeps in the workflow."""
    ask = "([id, name]) => app.rootGraph.getNodeById(id).properties[name] ?? {}"
    return page.evaluate(ask, [node_id, PROPERTY])


def title(page: Any) -> str:
    """The row of the large picture."""
    return page.locator(".zl-sweep-large h2").inner_text()


def pictures(server: ComfyServer, run_name: str) -> dict[str, int]:
    """The pictures drawn so far: name -> when."""
    folder: Path = server.base_dir / "output/zimage_lora" / run_name / "sweep"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png") if path.stem != "grid"}


def fill_with(page: Any, node_id: str, num_rows: int, num_columns: int) -> None:
    """Show a sweep of that size, as a run of it would."""
    page.evaluate(
        """async ([id, numRows, numColumns]) => {
            const node = app.rootGraph.getNodeById(id);
            const { file } = node.properties.zimage_lora_sweep;
            const view = await (await fetch(`/api/view?${new URLSearchParams(file)}`)).json();
            const last = view.rows.at(-1);
            const columns = Array.from({ length: numColumns }, (_, index) => (
                { prompt: `prompt ${Math.floor(index / 4)}`, seed: index % 4, is_canary: false }));
            const rows = Array.from({ length: numRows }, (_, index) => {
                const step = (index + 1) * 250;
                const label = { en: `step ${step}`, zh: `第 ${step} 步` };
                const cells = columns.map((_, column) => last.cells[column % last.cells.length]);
                return { ...last, key: String(index), step, choice: String(step), label, cells };
            });
            node.onExecuted({ zimage_lora_sweep: [{ ...view, rows, columns }] });
        }""",
        [node_id, num_rows, num_columns],
    )
    page.wait_for_timeout(500)
