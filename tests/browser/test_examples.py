"""Every example workflow as it is shipped, opened in a real browser: complete, readable, and queued as it is wired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, open_canvas, screenshot, show_workflow
from tests.browser.examples.parts import MODELS
from tests.comfyui.server import PACK_NAME, REPOSITORY, ComfyServer
from tests.comfyui.workflow import EXAMPLES, example, to_api

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
_SHOWN = """() => app.rootGraph.nodes.map(node => ({
    id: node.id, type: node.type, missing: !LiteGraph.registered_node_types[node.type],
    widgets: Object.fromEntries((node.widgets ?? []).map(widget => [widget.name, widget.value])),
}))"""
_LABELS = """() => app.rootGraph.nodes.flatMap(node => [
    node.title, ...(node.widgets ?? []).filter(widget => !widget.element).map(widget => widget.label ?? widget.name),
    ...(node.widgets ?? []).map(widget => widget.element?.placeholder),
    ...[...(node.inputs ?? []), ...(node.outputs ?? [])].map(slot => slot.label ?? slot.localized_name ?? slot.name),
].map(label => [node.type, label]))"""

_A_NODE_ALONE = """async type => {
    await app.loadGraphData({nodes: [], links: [], groups: [], last_node_id: 0, last_link_id: 0, version: 0.4})
    const node = LiteGraph.createNode(type)
    app.rootGraph.add(node)
    app.canvas.ds.scale = 1
    app.canvas.centerOnNode(node)
    await new Promise(resolve => setTimeout(resolve, 1000))
    const canvas = app.canvas.canvas.getBoundingClientRect()
    const [left, top] = [0, 1].map(axis => node.pos[axis] + app.canvas.ds.offset[axis])
    return {x: canvas.left + left + 120, y: canvas.top + top - 14}
}"""
"""Gives the place of its title on the page."""


@pytest.fixture(scope="module")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI in which the files that the workflows ask for seem to be there."""
    server = ComfyServer(tmp_path_factory.mktemp("examples"), {PACK_NAME: REPOSITORY})
    for file, _, kind in MODELS.values():
        (server.base_dir / "models" / kind).mkdir(exist_ok=True)
        (server.base_dir / "models" / kind / file).touch()
    with server:
        yield server


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "new"])
def page(with_files: ComfyServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    """One page for all examples, in each node design."""
    with open_canvas(with_files, 2400, 1500) as page:
        page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", request.param)
        page.design = "new" if request.param else "classic"
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_example_opens_whole_and_is_queued_as_it_is_wired(page: Any, with_files: ComfyServer, name: str) -> None:
    """What is switched off is left out."""
    workflow = example(name)
    page.said.clear()
    show_workflow(page, workflow)
    shown = {str(node["id"]): node for node in page.evaluate(_SHOWN)}
    screenshot(page, f"example_{name}_{page.design}")
    assert len(shown) == len(workflow["nodes"]) and not any(node["missing"] for node in shown.values())
    for node in workflow["nodes"]:
        for widget, value in (node.get("widgets_values_named") or {}).items():
            assert shown[str(node["id"])]["widgets"][widget] == value, (node["type"], widget)
    assert [said for said in page.said if said[0] == "error" and "404" not in said[1]] == []
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    for node_id, expected in to_api(workflow, with_files.get("/object_info")).items():
        queued = prompt.pop(node_id)
        assert (queued["class_type"], queued["inputs"]) == (expected["class_type"], expected["inputs"])
    assert prompt == {}


def test_help_of_a_node_shows_its_picture(page: Any) -> None:
    """By the button that the notes and the README speak of."""
    place = page.evaluate(_A_NODE_ALONE, "ApplyLoRA")
    page.mouse.click(place["x"], place["y"])
    page.get_by_test_id("info-button").first.click()
    page.wait_for_function(
        "[...document.images].some(one => one.src.endsWith('/docs/ApplyLoRA/en.jpg') && one.naturalWidth > 300)"
    )
    screenshot(page, f"help_{page.design}")
    page.get_by_test_id("info-button").first.click()


def test_in_chinese_every_label_of_ours_is_chinese(page: Any) -> None:
    """Also in a workflow that was drawn in English."""
    page.evaluate("app.extensionManager.setting.set('Comfy.Locale', 'zh')")
    page.wait_for_timeout(500)
    page.reload()
    page.wait_for_function("window.app && app.extensionManager && app.canvas")
    show_workflow(page, example("02_full_guide"))
    screenshot(page, f"example_chinese_{page.design}")
    ours = {node["type"] for node in example("02_full_guide")["nodes"] if node["properties"].get("cnr_id") == PACK_NAME}
    labels = [(kind, label) for kind, label in page.evaluate(_LABELS) if kind in ours and label]
    english = [pair for pair in labels if pair[1].isascii() and pair[1] not in {"CLIP", "VAE", "LoRA"}]
    page.evaluate("app.extensionManager.setting.set('Comfy.Locale', 'en')")
    page.wait_for_timeout(500)
    assert english == []
