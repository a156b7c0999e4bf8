"""Photographs every node on a real canvas, with the pocket model's results, for the help pages.

`web/docs/<Node>/<language>.jpg`, by

    python -m tests.browser.make_pictures [--only TrainZImageLoRA] [--all-looks DIR]

Trains once (some minutes), then starts the server once for each language. With --only, the other pictures stay. With
--all-looks they stay too: every node in both node designs and both palettes goes to that folder, to be looked at.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from pocket.single_files import write_single_files
from tests.browser.sweep_canvas import open_design, reload, set_setting
from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import REPOSITORY, ComfyServer, pocket_base
from tests.comfyui.workflow import example, pocket_changes, pocket_version, to_api

RUN_NAME, NUM_PHOTOS = "Mila", 20
WIDTH_PX = 640
SIZES = {
    "LoadPhotoFolder": (460, 520),
    "CleanAndResize": (620, 860),
    "AutoCaption": (700, 620),
    "DatasetReport": (560, 700),
    "TrainZImageLoRA": (520, 900),
    "CheckpointSweep": (640, 900),
    "ApplyLoRA": (400, 200),
    "ExportDataset": (420, 200),
    "ConvertLoRA": (420, 200),
    "PublishLoRA": (480, 520),
}
"""How large each node is drawn."""

_ADD_THE_OTHERS = """([sizes, lora]) => {
    const graph = app.rootGraph
    const only = type => graph.nodes.find(node => node.type === type)
    const add = (type, widgets) => {
        const node = LiteGraph.createNode(type)
        graph.add(node)
        for (const [name, value] of Object.entries(widgets)) node.widgets.find(one => one.name === name).value = value
        return node
    }
    const connect = (from, output, to, input) => from.connect(
        from.outputs.findIndex(one => one.name === output), to, to.inputs.findIndex(one => one.name === input))
    connect(only('AutoCaption'), 'dataset', add('ExportDataset', {}), 'dataset')
    add('ConvertLoRA', {lora_name: lora})
    const publish = add('PublishLoRA', {title: 'Mila', author: 'me', licence: 'cc-by-nc-4.0'})
    connect(only('CheckpointSweep'), 'best', publish, 'checkpoints')
    connect(only('CheckpointSweep'), 'grid', publish, 'grid')
    Object.entries(sizes).forEach(([type, size], index) => {
        const node = only(type)
        node.pos = [-3000, 1200 * index]
        node.setSize(size)
    })
}"""
_LOOK_AT = """([type, base]) => {
    const node = app.rootGraph.nodes.find(one => one.type === type)
    const said = node.widgets?.find(({name}) => name === '$$node-text-preview')
    if (said) said.value = said.value.replaceAll(base, 'ComfyUI')
    app.canvas.ds.scale = 1
    app.canvas.centerOnNode(node)
    app.canvas.setDirty(true, true)
    return node.id
}"""
_EXTENT = """type => {
    const [left, top, width, height] = app.rootGraph.nodes.find(one => one.type === type).boundingRect
    const {offset} = app.canvas.ds
    const canvas = app.canvas.canvas.getBoundingClientRect()
    const [x, y] = [canvas.left + left + offset[0] - 8, canvas.top + top + offset[1] - 8]
    return {x, y, width: width + 16, height: height + 16}
}"""


def main() -> None:
    """Train, then photograph in English and in Chinese."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--all-looks", type=Path, metavar="DIR")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as files_dir, tempfile.TemporaryDirectory() as base_dir:
        files, base = Path(files_dir), Path(base_dir)
        write_single_files(POCKET / "model", files)
        server = pocket_base(base, files, POCKET, NUM_PHOTOS)
        with server:
            workflow = _workflow(server)
            ran = server.run(to_api(workflow, server.get("/object_info")), limit_s=3600)
            assert ran.status == "success", ran.error
        for language in ("en", "zh"):
            for node_type, look, png in _photographs(server, workflow, language, asked.only, bool(asked.all_looks)):
                if asked.all_looks:
                    _save(png, asked.all_looks / f"{node_type}_{language}_{look}.png")
                else:
                    _save(png, REPOSITORY / f"web/docs/{node_type}/{language}.jpg")


def _workflow(server: ComfyServer) -> dict[str, Any]:
    """The full guide, as large as the pocket model needs it to learn somebody."""
    changes = pocket_changes("mila", RUN_NAME)
    changes["TrainZImageLoRA"] |= dict(
        linear_rank=16, total_steps=300, save_every=75, checkpoints_to_keep=4, batch_size=4, validation="auto"
    )  # fmt: skip
    changes["CheckpointSweep"] |= dict(
        prompts="a photo of [subject]\na photo of [subject] in a forest", strengths="1.0", num_seeds=2, steps=9
    )  # fmt: skip
    return pocket_version(example("02_full_guide"), server.get("/object_info"), changes)


def _photographs(
    server: ComfyServer, workflow: dict[str, Any], language: str, only: list[str], is_in_all_looks: bool
) -> Iterator[tuple[str, str, bytes]]:
    """(node, look, PNG) of every node after a queue; the server starts anew, so that everything speaks the language."""
    designs = ("classic", "new") if is_in_all_looks else ("classic",)
    palettes = ("dark", "light") if is_in_all_looks else ("dark",)
    settings = {"Comfy.TutorialCompleted": True, "Comfy.Locale": language, "Comfy.Minimap.Visible": False}
    (server.base_dir / "user/default/comfy.settings.json").write_text(json.dumps(settings), encoding="utf-8")
    with server:
        for design, palette in itertools.product(designs, palettes):
            with open_design(server, design, (1500, 1150)) as page:
                set_setting(page, "Comfy.ColorPalette", palette)
                set_setting(page, "Comfy.Locale", language)
                reload(page)
                _queue(server, page, workflow)
                for node_type in only:
                    page.evaluate(_LOOK_AT, [node_type, str(server.base_dir)])
                    page.wait_for_timeout(1500)
                    extent = page.evaluate(_EXTENT, node_type)
                    yield node_type, f"{design}_{palette}", page.screenshot(clip=extent)


def _queue(server: ComfyServer, page: Any, workflow: dict[str, Any]) -> None:
    """Open the workflow, put the nodes on it that it has not, and run it."""
    page.evaluate("async workflow => { await app.loadGraphData(workflow) }", workflow)
    page.evaluate(_ADD_THE_OTHERS, [SIZES, f"{RUN_NAME}/{RUN_NAME}_000000300.safetensors"])
    page.wait_for_timeout(1000)
    assert page.evaluate("app.queuePrompt(0)")
    while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
        page.wait_for_timeout(500)


def _save(png: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH_PX, 2 * WIDTH_PX), Image.Resampling.LANCZOS)
    picture.save(path, quality=82)


if __name__ == "__main__":
    main()
