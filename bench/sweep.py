"""What a sweep costs beside plain nodes that make the same pictures, in one real ComfyUI on the pocket model.

    python -m bench.sweep                (a ComfyUI as CONTRIBUTING.md prepares one; about five minutes on two cores)

The same cells are made by KSampler, VAEDecode and SaveImage, with CLIPTextEncode once per prompt and core's own LoRA
loader once per row, and by CheckpointSweep, in turn. A ratio compares two queues that follow each other: the sweep's
over the plain queue's, and over the calls of KSampler, VAEDecode and SaveImage alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from pocket.single_files import write_single_files
from tests.comfyui.server import REPOSITORY, ComfyServer, Graph, comfyui_missing, pocket_base
from tests.comfyui.workflow import node_of, pocket_graph
from trainer.training.keeping.job import lora_files_in

from .machine import describe

RUN = "costs"
PROMPTS = ("a photo of Mila", "a photo of Mila, on a beach", "a photo of Mila at night, city")
CANARY = "a photo of a person"
STRENGTH = 0.8
SIDE_PX = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where every round's seconds go")
    chosen = parser.parse_args()
    if missing := comfyui_missing():
        raise SystemExit(missing)
    with tempfile.TemporaryDirectory() as folder:
        pocket = Path(folder) / "pocket"
        write_single_files(REPOSITORY / "pocket" / "model", pocket)
        with pocket_base(Path(folder) / "comfyui", pocket, REPOSITORY / "pocket") as server:
            rounds = measure(server, chosen.rounds)
    print("| round | pictures | plain queue s | of it the pictures' s | sweep: drawing s | with scores and grid s |")
    print("|---|---|---|---|---|---|")
    for number, one in enumerate(rounds, start=1):
        seconds = " | ".join(f"{one[name]:.1f}" for name in ("plain_s", "calls_s", "drawing_s", "whole_s"))
        print(f"| {number} | {one['pictures']:.0f} | {seconds} |")
    medians = {
        f"{part} over {base}": statistics.median(one[f"{part}_s"] / one[f"{base}_s"] for one in rounds)
        for base in ("calls", "plain")
        for part in ("drawing", "whole")
    }
    print("; ".join(f"{name} {ratio:.3f}" for name, ratio in medians.items()))
    if chosen.json:
        head = {
            "command": shlex.join(["python", "-m", "bench.sweep", *sys.argv[1:]]),
            "machine": describe(torch.device("cpu")),
        }
        chosen.json.write_text(json.dumps({**head, "medians": medians, "rounds": rounds}, indent=1), encoding="utf-8")


def measure(server: ComfyServer, num_rounds: int) -> list[dict[str, float]]:
    """The seconds of each round, and of how many pictures; a first one, which loads the models, is left out."""
    graph = pocket_graph(server.get("/object_info"), run_name=RUN)
    sweep = node_of(graph, "CheckpointSweep")
    graph[sweep]["inputs"] |= dict(prompts="\n".join(PROMPTS), canary=CANARY, num_seeds=1, strengths=f"{STRENGTH:g}")
    rounds = []
    for number in range(num_rounds + 1):
        seed = 1000 + number
        swept = {**graph, sweep: {**graph[sweep], "inputs": {**graph[sweep]["inputs"], "seed": seed}}}
        found: dict[str, float] = {}
        if number % 2:
            found |= plain_seconds(server, swept, sweep, seed)
        found |= sweep_seconds(server, swept, sweep)
        if not number % 2:
            found |= plain_seconds(server, swept, sweep, seed)
        rounds.append(found)
    return rounds[1:]


def sweep_seconds(server: ComfyServer, graph: Graph, sweep: str) -> dict[str, float]:
    """From the node's beginning to its last picture, and to its end."""
    cells_dir = server.base_dir / "output/zimage_lora" / RUN / "sweep"
    before = set(cells_dir.glob("*.png"))
    times: dict[str, float] = {}

    def note(message: dict) -> None:
        if message["type"] in ("executing", "executed") and message["data"].get("node") == sweep:
            times.setdefault(message["type"], time.time())

    ran = server.run(graph, only=[sweep], on_message=note)
    assert ran.status == "success", ran.error
    new = [path for path in cells_dir.glob("*.png") if path not in before and path.stem != "grid"]
    last_s = max(path.stat().st_mtime for path in new)
    began_s = times["executing"]
    return {"pictures": len(new), "drawing_s": last_s - began_s, "whole_s": times["executed"] - began_s}


def plain_seconds(server: ComfyServer, graph: Graph, sweep: str, seed: int) -> dict[str, float]:
    """The whole queue of plain nodes, and of it what KSampler, VAEDecode and SaveImage took."""
    inputs = graph[sweep]["inputs"]
    plain = {id_: node for id_, node in graph.items() if node["class_type"].startswith("Pocket")}
    plain[str(inputs["model"][0])] = graph[str(inputs["model"][0])]
    plain["empty"] = _node("EmptySD3LatentImage", width=SIDE_PX, height=SIDE_PX, batch_size=1)
    prompts = (*PROMPTS, CANARY)
    for index, prompt in enumerate(prompts):
        plain[f"text{index}"] = _node("CLIPTextEncode", clip=inputs["clip"], text=prompt)
        plain[f"none{index}"] = _node("ConditioningZeroOut", conditioning=[f"text{index}", 0])
    loras_dir = server.base_dir / "models/loras" / RUN
    rows: list[list] = [inputs["model"]]
    for checkpoint in lora_files_in(loras_dir):
        name = f"lora{checkpoint.step}"
        plain[name] = _node(
            "LoraLoaderModelOnly",
            model=inputs["model"],
            lora_name=f"{RUN}/{checkpoint.path.name}",
            strength_model=STRENGTH,
        )
        rows.append([name, 0])
    saved = []
    for row, model in enumerate(rows):
        for index in range(len(prompts)):
            place = f"{row}_{index}"
            plain[f"sampled{place}"] = _node(
                "KSampler", model=model, seed=seed, steps=inputs["steps"], cfg=1.0, sampler_name="res_multistep",
                scheduler="simple", positive=[f"text{index}", 0], negative=[f"none{index}", 0],
                latent_image=["empty", 0], denoise=1.0,
            )  # fmt: skip
            plain[f"decoded{place}"] = _node("VAEDecode", samples=[f"sampled{place}", 0], vae=inputs["vae"])
            plain[f"saved{place}"] = _node("SaveImage", images=[f"decoded{place}", 0], filename_prefix="plain")
            saved.append(f"saved{place}")
    began: list[tuple[str, float]] = []

    def note(message: dict) -> None:
        if message["type"] == "executing":
            began.append((message["data"]["node"] or "", time.time()))

    ran = server.run(plain, only=saved, on_message=note)
    assert ran.status == "success", ran.error
    calls_s = sum(
        end_s - began_s
        for (node, began_s), (_, end_s) in itertools.pairwise(began)
        if node.startswith(("sampled", "decoded", "saved"))
    )
    return {"plain_s": ran.seconds, "calls_s": calls_s}


def _node(class_type: str, **inputs: object) -> dict:
    return {"class_type": class_type, "inputs": inputs}


if __name__ == "__main__":
    main()
