"""The canvas as a user sees it: the quick start from the template browser, two queues, and progress while it trains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, open_canvas, screenshot, show_workflow
from tests.comfyui.server import PACK_NAME, ComfyServer
from tests.comfyui.workflow import node_of, pocket_changes, pocket_version, quick_start, to_api

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

LIMIT_MS = 600_000


@pytest.fixture(scope="module")
def page(server: ComfyServer) -> Iterator[Any]:
    """One page for all tests of this file."""
    with open_canvas(server) as page:
        yield page


@pytest.fixture(scope="module")
def object_info(server: ComfyServer) -> dict[str, Any]:
    return server.get("/object_info")


def pocket_workflow(object_info: dict[str, Any], run_name: str, **training: Any) -> dict[str, Any]:
    """The quick start, small, as the front end opens it."""
    changes = pocket_changes("mila", run_name)
    changes["TrainZImageLoRA"] |= training
    return pocket_version(quick_start(), object_info, changes)


def queue(page: Any) -> None:
    """Press Run."""
    assert page.evaluate("app.queuePrompt(0)")


def wait_until_idle(page: Any, server: ComfyServer) -> None:
    """Wait until the server's queue is empty."""
    while any((state := server.get("/queue"))["queue_running"] + state["queue_pending"]):
        page.wait_for_timeout(200)


def test_quick_start_opens_from_the_template_browser_with_no_missing_node(page: Any) -> None:
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(PACK_NAME, exact=True).first.click()
    page.get_by_test_id("template-workflow-01_quick_start").click()
    num_nodes = len(quick_start()["nodes"])
    page.wait_for_function("num => app.rootGraph.nodes.length === num", arg=num_nodes)
    page.wait_for_timeout(2000)
    screenshot(page, "quick_start_from_template")
    assert page.evaluate("app.rootGraph.nodes.filter(node => !LiteGraph.registered_node_types[node.type]).length") == 0
    assert page.get_by_text("Missing Node", exact=False).count() == 0
    page.keyboard.press("Escape")


def test_front_end_queues_the_graph_that_the_api_tests_queue(page: Any, object_info: dict[str, Any]) -> None:
    workflow = pocket_workflow(object_info, "compared")
    show_workflow(page, workflow)
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    inputs = {node_id: (node["class_type"], node["inputs"]) for node_id, node in prompt.items()}
    expected = to_api(workflow, object_info)
    assert inputs == {node_id: (node["class_type"], node["inputs"]) for node_id, node in expected.items()}


def test_progress_shows_on_the_node_during_training(
    page: Any, server: ComfyServer, object_info: dict[str, Any]
) -> None:
    workflow = pocket_workflow(object_info, "watched", total_steps=200, save_every=200)
    node_id = node_of(to_api(workflow, object_info), "TrainZImageLoRA")
    show_workflow(page, workflow)
    queue(page)
    said = """id => {
        const node = app.rootGraph.getNodeById(id)
        const text = node.widgets.find(widget => widget.name === '$$node-text-preview')?.value ?? ''
        return node.progress > 0.1 && /loss/.test(text) ? text : null
    }"""
    page.wait_for_function(said, arg=node_id)
    page.evaluate(
        "id => { app.canvas.ds.scale = 0.8; app.canvas.centerOnNode(app.rootGraph.getNodeById(id)) }", node_id
    )
    page.wait_for_timeout(1500)
    screenshot(page, "progress_during_training")
    assert "/200" in page.evaluate(said, node_id)
    server.interrupt()
    wait_until_idle(page, server)


def test_two_queues_keep_one_seed(page: Any, server: ComfyServer, object_info: dict[str, Any]) -> None:
    show_workflow(page, pocket_workflow(object_info, "twice"))
    for _ in range(2):
        queue(page)
        wait_until_idle(page, server)
    history = sorted(server.get("/history").values(), key=lambda item: item["prompt"][0])[-2:]
    assert [item["status"]["status_str"] for item in history] == ["success", "success"]
    seeds = [
        {id_: node["inputs"]["seed"] for id_, node in item["prompt"][2].items() if "seed" in node["inputs"]}
        for item in history
    ]
    assert seeds[0] == seeds[1] and len(seeds[0]) == 5  # training, sweep, three samplers
    lines = (server.base_dir / "output/zimage_lora/twice/events.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [step for line in lines if (step := json.loads(line).get("step"))]
    assert steps == list(range(1, 25))  # the second queue trained nothing


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []


FOLDED = """() => {
    const node = LiteGraph.createNode("TrainZImageLoRA");
    app.rootGraph.add(node);
    const shown = () => node.widgets.filter((widget) => node.isWidgetVisible(widget)).map((widget) => widget.name);
    const height = () => node.computeSize()[1];
    const [folded, foldedHeight] = [shown(), height()];
    node.toggleAdvanced();
    const found = { folded, foldedHeight, all: shown(), allHeight: height() };
    app.rootGraph.remove(node);
    return found;
}"""


def test_expert_settings_are_folded_away_until_they_are_asked_for(page: Any, object_info: dict[str, Any]) -> None:
    inputs = object_info["TrainZImageLoRA"]["input"]
    declared = {**inputs["required"], **inputs["optional"]}
    expert = {name for name, spec in declared.items() if len(spec) > 1 and spec[1].get("advanced")}
    found = page.evaluate(FOLDED)
    assert expert and not expert & set(found["folded"]) and "learning_rate" in found["folded"]
    assert expert <= set(found["all"]) and found["allHeight"] > found["foldedHeight"]
