"""What saved workflows rely on: node ids, inputs and outputs that were once published stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.comfyui.server import ComfyServer

pytestmark = pytest.mark.comfyui

PUBLISHED = json.loads((Path(__file__).parent / "published_nodes.json").read_text(encoding="utf-8"))


def signature(info: dict) -> dict[str, dict[str, str]]:
    """A node's inputs and outputs: name and type, in order."""
    inputs = {kind: info["input"].get(kind, {}) for kind in ("required", "optional")}
    named = {kind: {name: _type(spec[0]) for name, spec in specs.items()} for kind, specs in inputs.items()}
    return {**named, "outputs": dict(zip(info["output_name"], info["output"]))}


def _type(type_: str | list) -> str:
    return "COMBO" if isinstance(type_, list) else type_


@pytest.mark.parametrize("node_id", PUBLISHED)
def test_published_nodes_keep_their_inputs_and_outputs(server: ComfyServer, node_id: str) -> None:
    now = signature(server.get(f"/object_info/{node_id}")[node_id])
    for kind, published in PUBLISHED[node_id].items():
        # A further required input would be missing from every saved graph: new ones are optional, and come last.
        num = len(now[kind]) if kind == "required" else len(published)
        assert list(now[kind].items())[:num] == list(published.items())
