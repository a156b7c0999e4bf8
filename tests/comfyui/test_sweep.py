"""The sweep in a real ComfyUI: its pictures are those of a plain graph, and a cancelled one goes on where it was."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.comfyui.server import ComfyServer, Graph, Ran
from tests.comfyui.workflow import node_of, pocket_graph

pytestmark = pytest.mark.comfyui

RUN = "sweeping"
STEP, STRENGTH, SEED = 16, 0.8, 42
PROMPT = "a photo of Mila, on a beach"


@pytest.fixture(scope="module")
def graph(server: ComfyServer) -> Graph:
    graph = pocket_graph(server.get("/object_info"), run_name=RUN)
    graph[node_of(graph, "CheckpointSweep")]["inputs"] |= dict(
        prompts="a photo of [subject]\na photo of [subject], on a beach", num_seeds=1, seed=SEED, strengths="0.8"
    )
    return graph


@pytest.fixture(scope="module")
def ran(server: ComfyServer, graph: Graph) -> Ran:
    """Trained and swept, once."""
    ran = server.run(graph, only=[node_of(graph, "CheckpointSweep")])
    assert ran.status == "success", ran.error
    return ran


def cells_dir(server: ComfyServer) -> Path:
    return server.base_dir / "output/zimage_lora" / RUN / "sweep"


def cell_of(server: ComfyServer, lora: Path | None, prompt: str) -> Image.Image:
    """The sweep's picture of a LoRA file, or of the untrained model, as its own metadata tells."""
    import hashlib

    wanted = hashlib.sha256(lora.read_bytes()).hexdigest() if lora else None
    for path in cells_dir(server).glob("*.png"):
        with Image.open(path) as picture:
            made_of = json.loads(picture.text.get("zimage_lora", "{}"))
            if made_of and made_of["lora"] == wanted and made_of["prompt"] == prompt:
                return picture.convert("RGB")
    raise AssertionError(f"no cell of {wanted} and {prompt!r}")


def plain_picture(server: ComfyServer, graph: Graph, lora_name: str | None, strength: float) -> Image.Image:
    """What KSampler and core's own LoRA loader make with the models and settings of the sweep."""
    sweep = graph[node_of(graph, "CheckpointSweep")]["inputs"]
    plain = {node_id: node for node_id, node in graph.items() if node["class_type"].startswith("Pocket")}
    plain |= {
        node_id: node for node_id, node in graph.items() if node_id == str(sweep["model"][0])
    }  # what stands between the loader and the sweep
    model: list[Any] = sweep["model"]
    if lora_name is not None:
        inputs = dict(model=model, lora_name=lora_name, strength_model=strength)
        plain["lora"] = dict(class_type="LoraLoaderModelOnly", inputs=inputs)
        model = ["lora", 0]
    plain |= {
        "text": dict(class_type="CLIPTextEncode", inputs=dict(clip=sweep["clip"], text=PROMPT)),
        "no_text": dict(class_type="ConditioningZeroOut", inputs=dict(conditioning=["text", 0])),
        "empty": dict(class_type="EmptySD3LatentImage", inputs=dict(width=128, height=128, batch_size=1)),
        "sampled": dict(
            class_type="KSampler",
            inputs=dict(
                model=model, seed=SEED, steps=sweep["steps"], cfg=1.0, sampler_name="res_multistep",
                scheduler="simple", positive=["text", 0], negative=["no_text", 0], latent_image=["empty", 0],
                denoise=1.0,
            ),
        ),
        "decoded": dict(class_type="VAEDecode", inputs=dict(samples=["sampled", 0], vae=sweep["vae"])),
        "saved": dict(class_type="SaveImage", inputs=dict(images=["decoded", 0], filename_prefix="plain")),
    }  # fmt: skip
    ran = server.run(plain, only=["saved"])
    assert ran.status == "success", ran.error
    (image,) = ran.output("saved")["images"]
    with Image.open(server.base_dir / "output" / image["subfolder"] / image["filename"]) as picture:
        return picture.convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any colour of any pixel, in grey levels."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


def test_a_cell_equals_the_picture_of_a_plain_graph(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    lora = server.base_dir / f"models/loras/{RUN}/{RUN}_{STEP:09d}.safetensors"
    plain = plain_picture(server, graph, f"{RUN}/{lora.name}", STRENGTH)
    assert difference(cell_of(server, lora, PROMPT), plain) <= 1
    untrained = plain_picture(server, graph, None, 0.0)
    assert difference(cell_of(server, None, PROMPT), untrained) <= 1
    assert difference(plain, untrained) > 10, "the LoRA changes something"


def test_strength_0_is_the_model_without_a_lora_bit_for_bit(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    lora_name = f"{RUN}/{RUN}_{STEP:09d}.safetensors"
    assert difference(plain_picture(server, graph, lora_name, 0.0), plain_picture(server, graph, None, 0.0)) == 0


def test_the_grid_brings_the_graph_back_and_the_scores_lie_beside_it(server: ComfyServer, ran: Ran) -> None:
    with Image.open(cells_dir(server) / "grid.png") as grid:
        there = json.loads(grid.text["prompt"])
    assert "CheckpointSweep" in {node["class_type"] for node in there.values()}
    scores = json.loads((cells_dir(server) / "scores.json").read_text(encoding="utf-8"))
    assert scores["recommended_step"] in (16, 24)
    assert (cells_dir(server) / "scores.csv").stat().st_size > 0


def test_a_new_choice_draws_nothing_and_is_quick(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in cells_dir(server).glob("*.png") if path.stem != "grid"}
    sweep = node_of(graph, "CheckpointSweep")
    chosen = {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], "choice": "16"}}}
    started_s = time.monotonic()
    again = server.run(chosen, only=[sweep])
    took_s = time.monotonic() - started_s
    assert again.status == "success", again.error
    after = {path.name: path.stat().st_mtime_ns for path in cells_dir(server).glob("*.png") if path.stem != "grid"}
    assert after == before
    print(f"a new choice took {took_s:.1f} s")


def test_a_sweep_cancelled_at_a_cell_goes_on_and_draws_none_twice(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    wider = {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], "num_seeds": 3}}}
    num_before = len(list(cells_dir(server).glob("*.png")))

    def cancel_after_three(_: dict) -> None:
        if len(list(cells_dir(server).glob("*.png"))) >= num_before + 3:
            server.interrupt()

    cancelled = server.run(wider, only=[sweep], on_message=cancel_after_three)
    assert cancelled.of_type("execution_interrupted")
    kept = {path.name: path.stat().st_mtime_ns for path in cells_dir(server).glob("*.png") if path.stem != "grid"}
    assert num_before + 3 <= len(kept) + 1 < num_before * 3
    again = server.run(wider, only=[sweep])
    assert again.status == "success", again.error
    after = {path.name: path.stat().st_mtime_ns for path in cells_dir(server).glob("*.png") if path.stem != "grid"}
    assert kept.items() <= after.items() and len(after) == (num_before - 1) * 3


def test_too_many_pictures_are_announced_instead_of_drawn(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    many = {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], "num_seeds": 64, "cfg": 1.5}}}
    refused = server.run(many, only=[sweep])
    assert "576 new pictures" in refused.error and "max_new_cells" in refused.error
