"""The whole line as one node, taken from the node library and queued, in both node designs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.sweep_canvas import open_design
from tests.comfyui.server import PACK_NAME, ComfyServer
from tests.comfyui.workflow import BLUEPRINT, pocket_changes

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

CONNECT = """settings => {
    const graph = app.rootGraph
    const line = graph.nodes.find(node => node.isSubgraphNode?.())
    const add = (type, input) => {
        const node = LiteGraph.createNode(type)
        graph.add(node)
        node.connect(0, line, line.inputs.findIndex(one => one.name === input))
    }
    add('PocketModelLoader', 'model')
    add('PocketClipLoader', 'clip')
    add('PocketVaeLoader', 'vae')
    const preview = LiteGraph.createNode('PreviewImage')
    graph.add(preview)
    line.connect(line.outputs.findIndex(one => one.name === 'grid'), preview, 0)
    for (const [type, widgets] of Object.entries(settings)) {
        const inner = line.subgraph.nodes.find(node => node.type === type)
        for (const [name, value] of Object.entries(widgets)) {
            const slot = inner.inputs.find(one => one.widget?.name === name && one.link != null)
            const outside = slot && line.subgraph.inputs.find(one => one.linkIds.includes(slot.link)).name
            const [node, key] = outside ? [line, outside] : [inner, name]
            node.widgets.find(one => one.name === key).value = value
        }
    }
    return [String(line.id), String(preview.id)]
}"""
"""The pocket model's files before the line, the grid's picture behind it, and small settings within and without."""


def test_the_library_offers_it_with_one_node_that_is_defined(server: ComfyServer) -> None:
    offered = {entry["name"]: key for key, entry in server.get("/global_subgraphs").items() if ours(entry)}
    assert list(offered) == [BLUEPRINT.stem]
    saved = json.loads(server.get(f"/global_subgraphs/{offered[BLUEPRINT.stem]}")["data"])
    (node,), (subgraph,) = saved["nodes"], saved["definitions"]["subgraphs"]
    assert node["type"] == subgraph["id"] and saved["links"] == []


def ours(entry: dict[str, Any]) -> bool:
    return bool(entry["info"]["node_pack"] == f"custom_nodes.{PACK_NAME}")


def test_taken_from_the_library_it_trains_sweeps_and_shows_the_grid(server: ComfyServer, design: str) -> None:
    with open_design(server, design) as page:
        page.evaluate("app.rootGraph.clear()")
        page.evaluate("app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
        page.wait_for_timeout(1000)
        page.keyboard.type(BLUEPRINT.stem, delay=20)
        page.wait_for_timeout(2000)
        page.keyboard.press("Enter")
        page.wait_for_function("app.rootGraph.nodes.some(node => node.isSubgraphNode?.())")
        page.mouse.click(800, 800)  # puts down a node that is still held
        changes = pocket_changes("mila", f"blueprint {design}")
        inside = {kind: changes[kind] for kind in changes if kind not in ("EmptySD3LatentImage", "KSampler")}
        line, preview = page.evaluate(CONNECT, inside)
        page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        page.wait_for_timeout(1000)
        assert page.evaluate("app.queuePrompt(0)")
        while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
            page.wait_for_timeout(300)
        ran = max(server.get("/history").values(), key=lambda item: item["prompt"][0])
        assert ran["status"]["status_str"] == "success", ran["status"]
        page.wait_for_timeout(1000)
        screenshot(page, f"blueprint_{design}")
        assert ran["outputs"][preview]["images"], "the grid comes out of the one node"
        assert any(node_id.startswith(f"{line}:") for node_id in ran["outputs"]), "the nodes within have run"
        assert [said for said in page.said if said[0] == "error" and PACK_NAME in str(said)] == []
