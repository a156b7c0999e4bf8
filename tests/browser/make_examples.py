"""Writes the example workflows, .json and .jpg, and the blueprint, by drawing each graph on a real canvas.

    python -m tests.browser.make_examples

Run it again when a node's widgets change: the front end saves widget values by position.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.canvas import open_canvas, show_workflow
from tests.browser.examples.graphs import BLUEPRINT_WIDGETS, GRAPHS, blueprint_graph
from tests.browser.examples.parts import MODELS, OURS, ExampleGraph
from tests.comfyui.server import PACK_NAME, REPOSITORY, ComfyServer

_DRAW = """async ({nodes, links, groups}) => {
    const graph = app.rootGraph
    graph.clear()
    const made = {}
    for (const [name, wanted] of Object.entries(nodes)) {
        const node = made[name] = LiteGraph.createNode(wanted.kind)
        node.pos = wanted.pos
        graph.add(node)
        for (const [widget, value] of Object.entries(wanted.widgets)) {
            const found = node.widgets.find(one => one.name === widget)
            if (!found) throw new Error(`${wanted.kind} has no widget ${widget}`)
            found.value = value
        }
        const control = (node.widgets ?? []).find(one => one.name === 'control_after_generate')
        if (control && wanted.seed_control) control.value = wanted.seed_control
        node.mode = wanted.mode
        node.setSize(wanted.size)
    }
    for (const [from, output, to, input] of links) {
        const [source, target] = [made[from], made[to]]
        const output_slot = source.outputs.findIndex(one => one.name === output)
        const input_slot = target.inputs.findIndex(one => one.name === input)
        if (output_slot < 0 || input_slot < 0) throw new Error(`no link ${from}.${output} -> ${to}.${input}`)
        source.connect(output_slot, target, input_slot)
    }
    for (const [title, bounding, color] of groups) {
        const group = new LiteGraph.LGraphGroup(title)
        group.pos = [bounding[0], bounding[1]]
        group.size = [bounding[2], bounding[3]]
        group.color = color
        graph.add(group)
    }
    return {workflow: graph.serialize(), ids: Object.fromEntries(Object.entries(made).map(([k, n]) => [k, n.id]))}
}"""

_PACK = """({inside, name, widgets}) => {
    const graph = app.rootGraph
    const nodes = Object.fromEntries(Object.entries(inside).map(([key, id]) => [key, graph.getNodeById(id)]))
    const {subgraph, node} = graph.convertToSubgraph(new Set(Object.values(nodes)))
    node.title = subgraph.name = name
    for (const slot of subgraph.inputs.filter(({name}) => name.startsWith('seed'))) subgraph.removeInput(slot)
    for (const [key, widget, outside] of widgets) {
        const inner = subgraph.getNodeById(nodes[key].id)
        const input = inner.inputs.find(one => one.widget?.name === widget)
        subgraph.addInput(outside, input.type).connect(input, inner)
    }
    for (const other of [...graph.nodes]) if (other !== node) graph.remove(other)
    node.pos = [0, 0]
    node.setSize([420, node.computeSize()[1]])
    return graph.serialize()
}"""
"""One node of ours in the place of several; what comes from outside and goes there becomes its sockets."""

_EXTENT = """() => {
    const items = [...app.rootGraph.nodes, ...app.rootGraph.groups].map(item => item.boundingRect ?? item.bounding)
    const [left, top] = [0, 1].map(axis => Math.min(...items.map(box => box[axis])) - 20)
    const [right, bottom] = [0, 1].map(axis => Math.max(...items.map(box => box[axis] + box[axis + 2])) + 20)
    const {scale, offset} = app.canvas.ds
    const canvas = app.canvas.canvas.getBoundingClientRect()
    return {
        x: canvas.left + (left + offset[0]) * scale, y: canvas.top + (top + offset[1]) * scale,
        width: (right - left) * scale, height: (bottom - top) * scale,
    }
}"""
"""The part of the page that the graph takes."""
_WITHOUT_FURNITURE = """() => {
    app.extensionManager.setting.set('Comfy.Minimap.Visible', false)
    app.extensionManager.setting.set('LiteGraph.Canvas.MinFontSizeForLOD', 0)
}"""


def main() -> None:
    """Draw, save, and photograph each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-blueprint", action="store_true")
    only_blueprint = parser.parse_args().only_blueprint
    with tempfile.TemporaryDirectory() as folder:
        server = ComfyServer(Path(folder), {PACK_NAME: REPOSITORY})
        for file, _, kind in MODELS.values():  # so that the file lists know them; nothing reads them
            (server.base_dir / "models" / kind).mkdir(exist_ok=True)
            (server.base_dir / "models" / kind / file).touch()
        with server:
            for graph in () if only_blueprint else GRAPHS:
                # A page each: the front end gives a new node the values of one that had its id before.
                with open_canvas(server, 3000, 1900) as page:
                    page.evaluate(_WITHOUT_FURNITURE)
                    _make(page, graph())
            with open_canvas(server, 3000, 1900) as page:
                _make_blueprint(page)


def _make(page: Any, graph: ExampleGraph) -> None:
    drawn = page.evaluate(_DRAW, dict(nodes=graph.nodes, links=graph.links, groups=graph.groups))
    asked_for = {str(drawn["ids"][name]): node["asks_for"] for name, node in graph.nodes.items()}
    workflow = drawn["workflow"]
    _tidy(workflow["nodes"], asked_for)
    _write(workflow, graph.path)
    show_workflow(page, json.loads(graph.path.read_text(encoding="utf-8")))
    _save_thumbnail(page.screenshot(clip=page.evaluate(_EXTENT)), graph.path.with_suffix(".jpg"))


def _make_blueprint(page: Any) -> None:
    graph = blueprint_graph()
    ids = page.evaluate(_DRAW, dict(nodes=graph.nodes, links=graph.links, groups=()))["ids"]
    inside = {name: ids[name] for name, node in graph.nodes.items() if node["kind"] in OURS}
    packed = dict(inside=inside, name=graph.path.stem, widgets=BLUEPRINT_WIDGETS)
    workflow = page.evaluate(_PACK, packed)
    (outer,), (subgraph,) = workflow["nodes"], workflow["definitions"]["subgraphs"]
    outer["properties"] = {"cnr_id": PACK_NAME}
    _without_labels(outer)
    _tidy(subgraph["nodes"], {str(ids[name]): graph.nodes[name]["asks_for"] for name in inside})
    _write(workflow, graph.path)


def _tidy(nodes: list[dict[str, Any]], asked_for: dict[str, tuple[str, ...]]) -> None:
    """Give nodes the files that their loaders ask for, and the packs that they come from.

    `asked_for`: by node id, entries of MODELS.
    """
    for node in nodes:
        properties = node["properties"]
        if node["type"] not in ("MarkdownNote", "Note"):
            properties["cnr_id"] = PACK_NAME if node["type"] in OURS else "comfy-core"
        files = [MODELS[key] for key in asked_for[str(node["id"])]]
        if files:
            properties["models"] = [dict(name=name, url=url + name, directory=folder) for name, url, folder in files]
        _without_labels(node)


def _without_labels(node: dict[str, Any]) -> None:
    """Drop the labels of this page's language, so that each user sees their own."""
    for socket in (*node.get("inputs", ()), *node.get("outputs", ())):
        socket.pop("localized_name", None)


def _write(workflow: dict[str, Any], path: Path) -> None:
    """Save without the front end's empty fields."""
    workflow["extra"] = {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(_without_empty(workflow), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _without_empty(value: Any) -> Any:
    """Drops None from mappings, but keeps an input's `link` of None, which says that it is free."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item is not None or key == "link"}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _save_thumbnail(png: bytes, path: Path) -> None:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((1200, 800), Image.Resampling.LANCZOS)
    image.save(path, quality=80)


if __name__ == "__main__":
    main()
