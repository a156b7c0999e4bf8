"""Workflows: the quick start as the front end saves it, made small for the pocket model, and as the API takes it."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.comfyui.server import REPOSITORY, Graph

EXAMPLES = REPOSITORY / "example_workflows"
BLUEPRINT = REPOSITORY / "subgraphs" / "Character LoRA (Z-Image).json"
_WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_NEVER, _BYPASS = 2, 4
_POCKET_LOADERS = {
    "UNETLoader": ("PocketModelLoader", ["pocket_z_image.safetensors"]),
    "CLIPLoader": ("PocketClipLoader", ["pocket_qwen_3.safetensors"]),
    "VAELoader": ("PocketVaeLoader", ["pocket_ae.safetensors"]),
}


def example(name: str) -> dict[str, Any]:
    """An example workflow as it is shipped, e.g. `02_full_guide`."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def quick_start() -> dict[str, Any]:
    """The first example workflow as it is shipped."""
    return example("01_quick_start")


def with_switched_on(workflow: dict[str, Any], node_type: str) -> dict[str, Any]:
    """The workflow with the bypassed node of a type switched on, as Ctrl+B does."""
    workflow = copy.deepcopy(workflow)
    (node,) = (node for node in workflow["nodes"] if node["type"] == node_type)
    assert node["mode"] == _BYPASS
    node["mode"] = 0
    return workflow


def widget_names(node_type: str, object_info: dict[str, Any]) -> list[str | None]:
    """The names belonging to a node's `widgets_values`, in order; None for the seed's extra control widget."""
    names: list[str | None] = []
    inputs = object_info[node_type]["input"]
    for kind in ("required", "optional"):
        for name, (type_, *rest) in inputs.get(kind, {}).items():
            options = rest[0] if rest else {}
            if (isinstance(type_, list) or type_ in _WIDGET_TYPES) and not options.get("forceInput"):
                names.append(name)
                if options.get("control_after_generate"):
                    names.append(None)
    return names


def pocket_version(
    workflow: dict[str, Any], object_info: dict[str, Any], changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The same graph with the pocket's loaders; `changes` sets widgets: node type -> name -> value."""
    workflow = copy.deepcopy(workflow)
    workflow["nodes"] = [node for node in workflow["nodes"] if node["mode"] != _BYPASS]
    there = {node["id"] for node in workflow["nodes"]}
    workflow["links"] = [link for link in workflow["links"] if link[1] in there]
    kept_links = {link[0] for link in workflow["links"]}
    for node in workflow["nodes"]:
        node.get("properties", {}).pop("models", None)
        for entry in node.get("inputs", ()):
            entry["link"] = entry["link"] if entry.get("link") in kept_links else None
        if node["type"] in _POCKET_LOADERS:
            node["type"], node["widgets_values"] = _POCKET_LOADERS[node["type"]]
            del node["widgets_values_named"]
            node["inputs"] = [entry for entry in node["inputs"] if "widget" not in entry]
            node["properties"] = {"Node name for S&R": node["type"]}
        for name, value in changes.get(node["type"], {}).items():
            node["widgets_values"][widget_names(node["type"], object_info).index(name)] = value
            node["widgets_values_named"][name] = value
    return workflow


def to_api(workflow: dict[str, Any], object_info: dict[str, Any]) -> Graph:
    """The graph that the front end would queue: widgets by name, links as [node id, slot]."""
    active = {node["id"] for node in workflow["nodes"] if node["mode"] not in (_NEVER, _BYPASS)}
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"] if link[1] in active}
    graph: Graph = {}
    for node in workflow["nodes"]:
        if node["type"] not in object_info or node["mode"] in (_NEVER, _BYPASS):
            continue  # notes, and nodes that are switched off
        names = widget_names(node["type"], object_info)
        inputs = {name: value for name, value in zip(names, node.get("widgets_values", [])) if name}
        linked = {entry["name"]: sources[entry["link"]] for entry in node["inputs"] if entry.get("link") in sources}
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs | linked}
    return graph


def node_of(graph: Graph, class_type: str) -> str:
    """The id of the only node of a type."""
    (node_id,) = (node_id for node_id, node in graph.items() if node["class_type"] == class_type)
    return node_id


def pocket_changes(photos: str, run_name: str) -> dict[str, dict[str, Any]]:
    """What makes the quick start small: 128 pixels, two dozen steps, one prompt per checkpoint."""
    return {
        "LoadPhotoFolder": dict(folder=photos),
        "CleanAndResize": dict(longest_side_px=256),
        "AutoCaption": dict(subject="Mila"),
        "TrainZImageLoRA": dict(
            model="pocket_z_image.safetensors", run_name=run_name, training_adapter="none", linear_rank=8,
            total_steps=24, save_every=8, checkpoints_to_keep=2, learning_rate=1e-3, training_resolution=128,
            precision="fp32",
        ),
        "CheckpointSweep": dict(prompts="a photo of [subject]", num_seeds=1, steps=4, width_px=128, height_px=128),
        "EmptySD3LatentImage": dict(width=128, height=128),
        "KSampler": dict(steps=4),
    }  # fmt: skip


def pocket_graph(object_info: dict[str, Any], *, photos: str = "mila", run_name: str, **training: Any) -> Graph:
    """The quick start, small, for the API; `training` sets more widgets of TrainZImageLoRA."""
    changes = pocket_changes(photos, run_name)
    changes["TrainZImageLoRA"] |= training
    return to_api(pocket_version(quick_start(), object_info, changes), object_info)
