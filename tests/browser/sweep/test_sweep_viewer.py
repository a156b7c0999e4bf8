"""The sweep viewer on the canvas, in both node designs: pictures are looked at, compared blindly, and one is chosen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.photo_canvas import show_node
from tests.browser.sweep_canvas import (
    GRID,
    cell,
    choice,
    kept,
    pictures,
    queue,
    reload,
    row_head,
    title,
)
from tests.comfyui.server import PACK_NAME, ComfyServer
from tests.comfyui.workflow import node_of, to_api

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

NUM_ROWS, NUM_COLUMNS = 3, 6
"""The untrained model and two checkpoints; two prompts and the canary, of two seeds each."""


@pytest.fixture(scope="module")
def run_name(design: str) -> str:
    """One of its own for each design: of what the server has done before, a page hears nothing."""
    return f"浏览 viewed {design}"


def test_a_run_that_a_script_queued_shows_on_the_open_page(page: Any, design: str) -> None:
    assert page.locator(f"{GRID} .zl-row-head").count() == NUM_ROWS
    assert page.locator(GRID).get_attribute("aria-colcount") == str(NUM_COLUMNS + 1)
    assert cell(page, 1, 0).locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 128
    assert "Recommended: step 24" in page.locator(".zl-sweep .zl-verdict").inner_text()
    assert "recommended" in row_head(page, "step 24").inner_text()
    screenshot(page, f"sweep_{design}")
    box = page.locator(".zl-sweep").bounding_box()
    assert box["width"] > 300 and box["height"] > 300


def test_it_comes_back_after_a_reload_of_the_page(page: Any, node_id: str) -> None:
    reload(page)
    show_node(page, node_id, 0.85)
    cell(page, 2, 0).wait_for()
    assert "Recommended: step 24" in page.locator(".zl-sweep .zl-verdict").inner_text()


def test_a_click_enlarges_and_keys_lead_to_every_other_picture(page: Any, design: str) -> None:
    cell(page, 1, 1).click()
    page.locator(".zl-sweep-large").wait_for()
    assert title(page) == "step 16" and "seed 43" in page.locator(".zl-sweep-large").inner_text()
    screenshot(page, f"sweep_large_{design}")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert title(page) == "step 24" and "studio lighting" in page.locator(".zl-sweep-large").inner_text()
    for _ in range(9):
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowRight")
    assert title(page) == "untrained" and "without the person" in page.locator(".zl-sweep-large").inner_text()
    page.locator(".zl-sweep-large [data-key=beside]").select_option(label="step 16")
    assert page.locator(".zl-sweep-large figure img").count() == 2
    page.locator(".zl-sweep-large h2").click()
    page.keyboard.press("ArrowDown")
    assert title(page) == "step 24", "the row that is beside is passed over"
    screenshot(page, f"sweep_beside_{design}")
    page.keyboard.press("Escape")
    assert page.locator(".zl-sweep-large").count() == 0
    focused = page.evaluate("document.activeElement.dataset")
    assert (focused["row"], focused["column"]) == ("2", str(NUM_COLUMNS - 1)), "the focus is where one has come to"


def test_the_grid_is_walked_and_opened_with_the_keyboard_alone(page: Any) -> None:
    cell(page, 0, 0).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "End", "Home", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert title(page) == "step 24"
    page.keyboard.press("Escape")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("step 24, a photo of Mila, seed 43")


def test_blind_votes_are_counted_taken_back_and_kept_over_a_reload(page: Any, node_id: str, design: str) -> None:
    before = kept(page, node_id).get("votes", [])
    assert before == []
    page.locator(".zl-sweep [data-key=tally]").click()
    page.locator(".zl-tally [data-key=begin]").click()
    page.locator(".zl-blind").wait_for()
    screenshot(page, f"sweep_blind_{design}")
    shown = page.locator(".zl-blind").inner_text()
    assert "step" not in shown and "0 of 4 pairs compared" in shown, "nobody is told which is which"
    first = page.locator(".zl-blind figure img").first.get_attribute("src")
    page.keyboard.press("a")
    page.keyboard.press("Backspace")
    assert page.locator(".zl-blind figure img").first.get_attribute("src") == first
    for key in ("a", "ArrowRight", "e"):
        page.keyboard.press(key)
    votes = kept(page, node_id)["votes"]
    assert [vote["better"] for vote in votes] == ["a", "b", "equal"]
    page.locator(".zl-blind [data-key=result]").click()
    result = page.locator(".zl-tally").inner_text()
    assert "3 of 4 pairs compared" in result and "%" in result or "Nobody leads" in result
    screenshot(page, f"sweep_result_{design}")
    page.keyboard.press("Escape")
    page.wait_for_timeout(1500)  # the workflow is kept by the page a moment after it changes
    reload(page)
    show_node(page, node_id, 0.85)
    cell(page, 1, 0).wait_for()
    assert kept(page, node_id)["votes"] == votes
    page.locator(".zl-sweep [data-key=tally]").click()
    assert page.locator(".zl-tally").inner_text() == result
    page.keyboard.press("Escape")


def test_votes_change_no_input(page: Any, node_id: str) -> None:
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    names = set(prompt[node_id]["inputs"])
    assert not [name for name in names if "sweep" in name or "vote" in name], names


def test_a_chosen_checkpoint_goes_to_apply_lora_and_nothing_is_drawn_anew(
    page: Any, server: ComfyServer, workflow: dict[str, Any], node_id: str, run_name: str
) -> None:
    apply_id = node_of(to_api(workflow, server.get("/object_info")), "ApplyLoRA")
    try:
        row_head(page, "step 16").locator(".zl-choose").click()
        assert choice(page, node_id) == "16"
        assert "Queue again: nothing is drawn anew" in page.locator(".zl-sweep .zl-choice").inner_text()
        before = pictures(server, run_name)
        outputs = queue(page, server)
        assert pictures(server, run_name) == before and len(before) == NUM_ROWS * NUM_COLUMNS
        assert f"{16:09d}" in str(outputs[apply_id]["text"]), outputs[apply_id]
        assert page.locator(".zl-sweep .zl-choice").inner_text().startswith("In use: step 16")
        page.locator(".zl-sweep [data-key=recommended]").click()
        outputs = queue(page, server)
        assert f"{24:09d}" in str(outputs[apply_id]["text"]) and pictures(server, run_name) == before
    finally:
        page.evaluate(
            "id => { app.rootGraph.getNodeById(id).widgets.find((w) => w.name === 'choice').value = 'recommended' }",
            node_id,
        )


def test_the_canvas_undo_takes_a_choice_back(page: Any, node_id: str) -> None:
    show_node(page, node_id, 0.85)
    row_head(page, "step 16").locator(".zl-choose").click()
    assert choice(page, node_id) == "16"
    page.evaluate("app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_timeout(1200)
    assert choice(page, node_id) == "recommended"
    cell(page, 1, 0).wait_for()
    assert "In use" in row_head(page, "step 24").inner_text()


def test_a_step_typed_into_the_widget_is_shown_as_chosen(page: Any, node_id: str) -> None:
    type_choice = """([id, text]) => {
        const widget = app.rootGraph.getNodeById(id).widgets.find(({ name }) => name === "choice");
        widget.value = text;
        widget.callback?.(text);
    }"""
    page.evaluate(type_choice, [node_id, "16"])
    assert "In use" in row_head(page, "step 16").inner_text()
    page.evaluate(type_choice, [node_id, "999"])
    assert "choice is 999" in page.locator(".zl-sweep .zl-choice").inner_text()
    page.evaluate(type_choice, [node_id, "recommended"])


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
