"""The sweep in a real ComfyUI: its pictures are those of a plain graph, and a cancelled one goes on where it was."""

from __future__ import annotations

import json
import random
import re
import time
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.comfyui.server import ComfyServer, Graph, Ran
from tests.comfyui.workflow import node_of, pocket_graph
from tests.trainer.lora_damages import DAMAGES
from trainer.messages import sentences

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
def untouched(server: ComfyServer, graph: Graph) -> dict[str, Any]:
    """What the weights in memory are before the first sweep."""
    return weights_in_memory(server, graph)


@pytest.fixture(scope="module")
def ran(server: ComfyServer, graph: Graph, untouched: dict[str, Any]) -> Ran:
    """Trained and swept, once."""
    ran = server.run(graph, only=[node_of(graph, "CheckpointSweep")])
    assert ran.status == "success", ran.error
    return ran


def weights_in_memory(server: ComfyServer, graph: Graph) -> dict[str, Any]:
    """A digest of the sweep's MODEL as it lies in the server's memory, and what hangs on it."""
    seen = server.run({**graph, "digest": dict(class_type="PocketDigest", inputs=dict(model=sweep_model(graph)))},
                      only=["digest"])  # fmt: skip
    assert seen.status == "success", seen.error
    return seen.output("digest")


def sweep_model(graph: Graph) -> list[Any]:
    return graph[node_of(graph, "CheckpointSweep")]["inputs"]["model"]


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


def test_the_viewer_is_told_where_every_picture_lies_and_other_pages_where_the_view_does(
    server: ComfyServer, graph: Graph, ran: Ran
) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    (view,), (file,) = (ran.output(sweep)[f"zimage_lora_sweep{part}"] for part in ("", "_file"))
    assert server.get(f"/view?{urllib.parse.urlencode(file)}") == view
    assert [row["choice"] for row in view["rows"]] == [None, "16", "24"] and view["choice"] == "recommended"
    for cell in (cell for row in view["rows"] for cell in row["cells"]):
        assert (server.base_dir / "output" / view["folder"]["subfolder"] / cell["name"]).is_file()
    (told,) = [data for data in ran.of_type("zimage_lora.event") if data["event"] == "Swept"]
    assert (told["node"], told["run"], told["view"]) == (sweep, view["run"], file)


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


def pictures(server: ComfyServer) -> dict[str, int]:
    """The cells on disk, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in cells_dir(server).glob("*.png") if path.stem != "grid"}


def changed(graph: Graph, **inputs: object) -> Graph:
    """The graph with other settings of the sweep."""
    sweep = node_of(graph, "CheckpointSweep")
    return {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], **inputs}}}


@pytest.mark.parametrize("trial", range(3))
def test_a_sweep_cancelled_at_any_cell_goes_on_and_draws_none_twice(
    server: ComfyServer, graph: Graph, ran: Ran, untouched: dict[str, Any], trial: int
) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    wider = changed(graph, seed=1000 * (trial + 1))
    before = len(pictures(server))
    num_cells = before if trial == 0 else 9
    cancelled_at = random.Random(trial).randrange(1, num_cells)

    def cancel(_: dict) -> None:
        if len(pictures(server)) >= before + cancelled_at:
            server.interrupt()

    cancelled = server.run(wider, only=[sweep], on_message=cancel)
    assert cancelled.of_type("execution_interrupted")
    kept = pictures(server)
    assert before + cancelled_at <= len(kept) < before + num_cells
    assert weights_in_memory(server, graph) == untouched
    again = server.run(wider, only=[sweep])
    assert again.status == "success", again.error
    after = pictures(server)
    assert kept.items() <= after.items() and len(after) == before + num_cells


def test_the_mean_of_the_last_is_a_row_that_can_be_chosen_and_applied(
    server: ComfyServer, graph: Graph, ran: Ran
) -> None:
    sweep, apply = (node_of(graph, kind) for kind in ("CheckpointSweep", "ApplyLoRA"))
    save = next(node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage")
    folder = server.base_dir / f"models/loras/{RUN}"
    checkpoints = sorted(folder.iterdir())
    before = len(pictures(server))
    mixed = server.run(changed(graph, soup_last=2, choice="soup"), only=[sweep, save])
    assert mixed.status == "success", mixed.error
    (soup,) = set(folder.iterdir()) - set(checkpoints)
    assert soup.name == f"{RUN}_soup_16-24.safetensors" and len(pictures(server)) == before + 3
    assert soup.name in mixed.output(apply)["text"][0]
    rows = json.loads((cells_dir(server) / "scores.json").read_text(encoding="utf-8"))["rows"]
    assert [row["step"] for row in rows] == [0, 16, 24, -1]
    refused = server.run(changed(graph, soup_last=0, choice="soup"), only=[sweep])
    assert refused.status == "error" and "no checkpoint soup" in refused.error
    train = node_of(graph, "TrainZImageLoRA")
    assert server.run(graph, only=[train]).output(train)["text"][0].count("safetensors") == 1  # no mean among its own


def test_too_many_pictures_are_announced_instead_of_drawn(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    many = {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], "num_seeds": 64, "cfg": 1.5}}}
    refused = server.run(many, only=[sweep])
    assert "576 new pictures" in refused.error and "max_new_cells" in refused.error


@pytest.mark.parametrize("key", DAMAGES)
def test_a_checkpoint_that_is_spoilt_in_between_is_named_and_what_is_done_stays(
    server: ComfyServer, graph: Graph, ran: Ran, untouched: dict[str, Any], key: str
) -> None:
    sweep = node_of(graph, "CheckpointSweep")
    other = changed(graph, seed=50_000 + 10 * list(DAMAGES).index(key))
    last = server.base_dir / f"models/loras/{RUN}/{RUN}_{24:09d}.safetensors"
    data, before = last.read_bytes(), pictures(server)
    spoilt: list[Path] = []

    def spoil(_: dict) -> None:
        if not spoilt and len(pictures(server)) > len(before):
            DAMAGES[key](last)
            spoilt.append(last)

    try:
        stopped = server.run(other, only=[sweep], on_message=spoil)
    finally:
        last.write_bytes(data)
    assert stopped.status == "error" and last.name in stopped.error, stopped.error
    assert all(piece in stopped.error for piece in re.split(r"{\w+}", sentences("en")[key])), stopped.error
    kept = pictures(server)
    assert len(kept) == len(before) + 6, "the untrained row and that of the good file"
    assert weights_in_memory(server, graph) == untouched
    again = server.run(other, only=[sweep])
    assert again.status == "success", again.error
    after = pictures(server)
    assert kept.items() <= after.items() and len(after) == len(before) + 9


def test_pictures_of_no_numbers_are_never_kept(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    folder = server.base_dir / "models/vae"
    tensors = load_file(folder / "pocket_ae.safetensors")
    tensors["decoder.conv_out.bias"].fill_(float("nan"))
    save_file(tensors, folder / "broken_ae.safetensors")
    before = pictures(server)
    broken = {**graph, "broken": dict(class_type="PocketVaeLoader", inputs=dict(vae_name="broken_ae.safetensors"))}
    stopped = server.run(changed(broken, vae=["broken", 0]), only=[node_of(graph, "CheckpointSweep")])
    assert "came out as no number" in stopped.error and "untrained" in stopped.error
    assert pictures(server) == before


def test_an_empty_list_of_prompts_is_said_before_anything_is_drawn(server: ComfyServer, graph: Graph, ran: Ran) -> None:
    before = pictures(server)
    stopped = server.run(changed(graph, prompts=" \n\n"), only=[node_of(graph, "CheckpointSweep")])
    assert "no prompt to draw" in stopped.error
    assert pictures(server) == before


def test_the_model_is_the_same_after_all_these_sweeps_bit_for_bit(
    server: ComfyServer, graph: Graph, ran: Ran, untouched: dict[str, Any]
) -> None:
    assert weights_in_memory(server, graph) == untouched
    assert untouched["counts"] == [0, 0, 0]
    after_sweeps = plain_picture(server, graph, None, 0.0)
    server.stop()
    server.start()
    assert difference(after_sweeps, plain_picture(server, graph, None, 0.0)) == 0
    assert weights_in_memory(server, graph) == untouched
