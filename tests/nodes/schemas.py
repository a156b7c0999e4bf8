"""What each node declares, read from its source without ComfyUI: ids, inputs and outputs with their tooltips."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from trainer.captions.config import CaptionConfig
from trainer.lora_files.parts import PartStrengths
from trainer.photos.cleaning.config import CleanConfig
from trainer.publish.config import PublishConfig
from trainer.sweep.cells import SweepConfig
from trainer.training.config import TrainConfig

ROOT = Path(__file__).parents[2]
_WITH_WIDGETS = (CaptionConfig, CleanConfig, PartStrengths, PublishConfig, SweepConfig, TrainConfig)
CONFIGS = {kind.__name__: kind for kind in _WITH_WIDGETS}


@dataclass(frozen=True)
class Declared:
    """A node's texts: tooltips of the inputs by id, and of the outputs in order, whose ids come apart."""

    node_id: str
    display_name: str
    description: str
    inputs: dict[str, str]
    outputs: list[str]
    output_ids: list[str]


def declared_nodes() -> dict[str, Declared]:
    """Every node of the pack by its id."""
    found = [_declared(call) for path in sorted((ROOT / "nodes").glob("*.py")) for call in _schemas(path)]
    return {node.node_id: node for node in found}


def _schemas(path: Path) -> list[ast.Call]:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return [call for call in calls if ast.unparse(call.func) == "io.Schema"]


def _declared(schema: ast.Call) -> Declared:
    given = {keyword.arg: keyword.value for keyword in schema.keywords}
    inputs: dict[str, str] = {}
    for item in given["inputs"].elts:  # type: ignore[attr-defined]
        if isinstance(item, ast.Starred):  # *widgets_of(TrainConfig, ...)
            config = CONFIGS[ast.unparse(item.value.args[0])]  # type: ignore[attr-defined]
            inputs |= {field.name: field.metadata["doc"] for field in dataclasses.fields(config)}  # type: ignore[arg-type]
        else:
            inputs[ast.literal_eval(item.args[0])] = _text(item, "tooltip")
    return Declared(
        node_id=ast.literal_eval(given["node_id"]),
        display_name=ast.literal_eval(given["display_name"]),
        description=ast.literal_eval(given["description"]),
        inputs=inputs,
        outputs=[_text(output, "tooltip") for output in given["outputs"].elts],  # type: ignore[attr-defined]
        output_ids=[_text(output, "id") for output in given["outputs"].elts],  # type: ignore[attr-defined]
    )


def _text(call: ast.Call, name: str) -> str:
    return next(ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == name)
