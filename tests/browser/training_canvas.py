"""Driving the training panel: a small training on the canvas, runs of the past, what is shown. Knows no test."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from tests.browser.photo_canvas import show_view
from tests.comfyui.server import ComfyServer
from tests.comfyui.workflow import node_of, pocket_changes, pocket_version, quick_start, to_api
from tests.event_examples import PLAN, TrainConfig, Validation, history, messages, slug

PANEL = ".zl-training:visible"
NOW_S = 1795398000.0
SAVE_EVERY = 250


def training_workflow(server: ComfyServer, run_name: str, **training: Any) -> dict[str, Any]:
    """The quick start, small, with what is said of its training."""
    changes = pocket_changes("mila", run_name)
    changes["TrainZImageLoRA"] |= training
    return pocket_version(quick_start(), server.get("/object_info"), changes)


def training_id(server: ComfyServer, workflow: dict[str, Any]) -> str:
    """The id of TrainZImageLoRA."""
    return node_of(to_api(workflow, server.get("/object_info")), "TrainZImageLoRA")


def run_id_of(run_name: str) -> str:
    """The id that routes and events call a run by."""
    return str(slug(run_name))


def write_past_run(server: ComfyServer, name: str, num_steps: int, **settings: Any) -> None:
    """A run as a training of that many steps leaves it: every step, validations, checkpoints, previews, a warning."""
    run_dir, lora_dir = server.base_dir / "output/zimage_lora" / name, server.base_dir / "models/loras" / name
    (run_dir / "previews").mkdir(parents=True)
    lora_dir.mkdir(parents=True)
    config = json.loads(
        json.dumps(vars(TrainConfig(**{"total_steps": num_steps, "save_every": SAVE_EVERY, **settings})))
    )
    record = {
        "name": name, "subject": "Mila", "created": "2026-11-22", "base_model": "pocket_z_image.safetensors",
        "identity": {}, "config": config, "photos": [{}] * 70, "earlier_configs": [],
    }  # fmt: skip
    (run_dir / "run.json").write_text(json.dumps(record))
    few = messages.Message("photos.few", {"count": 12})
    history.append_event(run_dir, "warned", 0, messages.as_plain(few), at=NOW_S)
    history.append_event(run_dir, "planned", 1, vars(PLAN), at=NOW_S)
    history.append_event(run_dir, "began", 1, {"total_steps": num_steps}, at=NOW_S)
    history.append_event(run_dir, "measured", 1, {"peak_bytes": 8_800_000_000}, at=NOW_S)
    every = max(SAVE_EVERY, num_steps // 16)
    for first in range(0, num_steps, every):
        last = min(first + every, num_steps)
        _write_steps(run_dir / "events.jsonl", range(first + 1, last + 1))
        _write_checkpoint(run_dir, lora_dir, last)
    history.append_event(run_dir, "ended", num_steps, {"how": "finished"}, at=NOW_S + num_steps)


def loss_at(step: int) -> float:
    """A loss that falls and is as noisy as real ones."""
    noise = math.sin(step * 12.9898) * 43758.5453 % 1.0
    return 0.35 + 0.5 / math.sqrt(1 + step / 40) + 0.25 * (noise - 0.5)


def _write_steps(path: Path, steps: range) -> None:
    lines = (
        {"step": step, "loss": loss_at(step), "rate": 2e-4, "s": 0.4, "at": NOW_S + step, "photos": [[0, 0.5, 0.5]]}
        for step in steps
    )
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _write_checkpoint(run_dir: Path, lora_dir: Path, step: int) -> None:
    best = 0.42 + 0.06 * abs(math.log(step / 3000))
    losses = tuple((best + 0.01 * photo + 0.002 * math.sin(photo * step),) for photo in range(7))
    history.append_validation(run_dir, Validation(step=step, losses=losses), seconds=1.5, at=NOW_S + step)
    save_file({"a": np.zeros(40_000, np.float32)}, lora_dir / f"{lora_dir.name}_{step:09d}.safetensors")
    history.append_event(run_dir, "saved", step, {}, at=NOW_S + step)
    name = f"{step:09d}_1.png"
    Image.new("RGB", (128, 128), (step * 7 % 255, step * 3 % 255, 140)).save(run_dir / "previews" / name)
    history.append_event(run_dir, "drawn", step, {"prompt": "a photo of Mila", "file": name}, at=NOW_S + step)


def show_place(page: Any, which: str) -> None:
    """Open or close the panel in the "sidebar" or the "bottom" panel."""
    command = {"sidebar": "SidebarTab.zimage-lora-training", "bottom": "BottomPanelTab.zimage-lora-training-below"}[
        which
    ]
    page.evaluate("command => app.extensionManager.command.execute(command)", f"Workspace.Toggle{command}")
    page.wait_for_timeout(800)


def panel_of(page: Any, node_id: str) -> Any:
    """The panel on a node."""
    return page.locator(f'[data-view="training {node_id}"]')


def look_at(page: Any, node_id: str) -> Any:
    """Bring the panel of a node into sight."""
    show_view(page, node_id, f'[data-view="training {node_id}"]', 0.9)
    return panel_of(page, node_id)


def wait_for_state(panel: Any, state: str, timeout_s: float = 120) -> None:
    """Wait until the panel says that its run is `state`."""
    panel.locator(f'.zl-badge[data-state="{state}"]').wait_for(timeout=timeout_s * 1000)


def wait_for_step(page: Any, step: int) -> None:
    """Wait until a panel shows that step."""
    ask = """step => [...document.querySelectorAll(".zl-training [data-name=steps]")]
        .some((one) => parseInt(one.textContent) >= step)"""
    page.wait_for_function(ask, arg=step)


def figures(panel: Any) -> dict[str, str]:
    """The figures that are shown, by name."""
    shown = panel.locator(".zl-numbers dd:visible")
    return {one.get_attribute("data-name"): one.inner_text() for one in shown.all()}


def drawn_to(panel: Any) -> float:
    """How far to the right a curve is drawn, as a share of the canvas: the last column with a dot of strong colour."""
    return panel.locator("canvas.zl-curve:visible").evaluate(
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const spread = (colour) => Math.max(...colour) - Math.min(...colour);
            const isInk = (at) => data[at + 3] > 128 && spread(data.slice(at, at + 3)) > 60;
            for (let x = width - 1; x >= 0; x -= 1) {
                for (let y = 0; y < height; y += 1) if (isInk((y * width + x) * 4)) return x / width;
            }
            return 0;
        }"""
    )
