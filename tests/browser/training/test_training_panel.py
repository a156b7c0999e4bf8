"""The training panel in both node designs while a real training runs: it comes back wherever it is looked at."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.caption_canvas import wait_until_ready
from tests.browser.sweep_canvas import reload
from tests.browser.training_canvas import (
    drawn_to,
    figures,
    look_at,
    panel_of,
    run_id_of,
    show_place,
    training_workflow,
    wait_for_state,
    wait_for_step,
)
from tests.comfyui.server import PACK_NAME, ComfyServer
from tests.comfyui.workflow import to_api

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

MANY = 2000
"""More steps than any test waits for."""


@pytest.fixture(scope="module")
def run_name(design: str) -> str:
    return f"训练 watched {design}"


@pytest.fixture(scope="module")
def workflow(server: ComfyServer, run_name: str) -> dict[str, Any]:
    return training_workflow(server, run_name, total_steps=MANY, save_every=500)


def start_from_elsewhere(server: ComfyServer, workflow: dict[str, Any], node_id: str, **training: Any) -> None:
    """Queue the training as a script does, whose answers no page gets."""
    graph = to_api(workflow, server.get("/object_info"))
    graph[node_id]["inputs"] |= training
    server.post("/prompt", {"prompt": graph, "client_id": "a script", "partial_execution_targets": [node_id]})


def confirm(page: Any) -> None:
    page.get_by_role("button", name=re.compile("Confirm|确认|确定")).click()


def test_a_node_that_trained_nothing_says_how_to_begin(page: Any, node_id: str) -> None:
    assert "Queue this node" in panel_of(page, node_id).inner_text()


def test_the_curve_grows_and_comes_back_after_a_reload_and_in_a_second_tab(
    server: ComfyServer, page: Any, node_id: str, run_name: str, design: str
) -> None:
    assert page.evaluate("id => app.queuePrompt(0, 1, [id])", node_id)
    panel = look_at(page, node_id)
    wait_for_state(panel, "running")
    assert panel.locator("[data-key=cancel]").is_enabled()
    wait_for_step(page, 3)
    few = drawn_to(panel)
    wait_for_step(page, 12)
    assert drawn_to(panel) > few > 0
    assert panel.locator("[data-key=save]").is_enabled() and panel.locator("[data-key=finish]").is_enabled()
    shown = figures(panel)
    assert shown["steps"].endswith("/ 2,000") and {"per_step", "left", "end", "rate"} <= shown.keys(), shown
    screenshot(page, f"training_running_{design}")

    reload(page)
    panel = look_at(page, node_id)
    wait_for_state(panel, "running")
    first = int(panel.locator("canvas.zl-curve:visible").get_attribute("aria-valuemin") or 0)
    assert first == 1, "the steps before the reload are there"

    second = page.context.browser.new_page()
    second.goto(server.url)
    wait_until_ready(second)
    show_place(second, "sidebar")
    wait_for_state(second.locator(".zl-place"), "running")
    assert second.locator(".zl-place h3").inner_text() == run_name
    screenshot(second, f"training_second_tab_{design}")
    second.close()


def test_save_now_goes_on_and_finish_now_ends_it(
    server: ComfyServer, page: Any, node_id: str, run_name: str, design: str
) -> None:
    panel = panel_of(page, node_id)
    panel.locator("[data-key=save]").click()
    panel.get_by_text(re.compile(r"Saved at step \d+")).wait_for()
    panel.locator(".zl-checkpoints tbody tr").first.wait_for(state="attached")
    panel.locator("[data-key=finish]").click()
    screenshot(page, f"training_sure_{design}")
    confirm(page)
    wait_for_state(panel, "finished")
    assert "Finished, as asked." in panel.inner_text()
    assert panel.locator("[data-key=save]:visible").count() == 0, "there is nothing to ask of it any more"
    run = server.get(f"/zimage_lora/runs/{run_id_of(run_name)}")
    assert figures(panel)["steps"].split(" / ")[0].replace(",", "") == str(run["curve"]["num_steps"])
    assert panel.locator(".zl-checkpoints tbody tr").count() == len(run["checkpoints"]) >= 2
    reload(page)
    panel = look_at(page, node_id)
    wait_for_state(panel, "finished")
    screenshot(page, f"training_finished_{design}")


def test_a_run_queued_through_the_api_shows_and_cancel_keeps_everything(
    server: ComfyServer, page: Any, workflow: dict[str, Any], node_id: str, design: str
) -> None:
    name = f"by script {design}"
    start_from_elsewhere(server, workflow, node_id, run_name=name)
    panel = panel_of(page, node_id)
    panel.locator("h3", has_text=name).wait_for()
    wait_for_state(panel, "running")
    wait_for_step(page, 2)
    panel.locator("[data-key=cancel]").click()
    confirm(page)
    wait_for_state(panel, "stopped")
    said = panel.inner_text()
    assert "Stopped, as asked" in said and "Queue again to go on" in said
    run = server.get(f"/zimage_lora/runs/{run_id_of(name)}")
    assert run["run"]["state"] == "stopped" and run["curve"]["num_steps"] >= 2
    assert any((server.base_dir / "output/zimage_lora" / name / "state").iterdir()), "everything is kept"
    screenshot(page, f"training_stopped_{design}")


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
