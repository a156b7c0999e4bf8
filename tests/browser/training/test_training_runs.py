"""Runs of the past in the training panel: compared, loaded into nodes, by keyboard, narrow, Chinese, in subgraphs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.sweep_canvas import reload, set_setting
from tests.browser.training_canvas import (
    drawn_to,
    look_at,
    panel_of,
    show_place,
    training_workflow,
    write_past_run,
)
from tests.comfyui.server import PACK_NAME, ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]


@pytest.fixture(scope="module")
def past(server: ComfyServer, design: str) -> tuple[str, str]:
    """Two runs of the past."""
    names = f"first {design}", f"second {design}"
    write_past_run(server, names[0], 4000)
    write_past_run(server, names[1], 1500, linear_rank=32, learning_rate=1e-4, optimizer="adamw")
    return names


@pytest.fixture(scope="module")
def workflow(server: ComfyServer, past: tuple[str, str], design: str) -> dict[str, Any]:
    return training_workflow(server, f"next {design}")


def test_earlier_runs_are_listed_compared_and_their_settings_loaded_and_taken_back(
    page: Any, node_id: str, past: tuple[str, str], design: str
) -> None:
    panel = look_at(page, node_id)
    panel.locator("[role=tab][data-key=runs]").click()
    for name in past:
        panel.get_by_label(f"Compare {name}").check()
    screenshot(page, f"training_runs_{design}")
    panel.locator("[data-key=marked]").click()
    table = panel.locator(".zl-table")
    table.locator(".zl-different").first.wait_for()
    different = table.locator(".zl-different th").all_inner_texts()
    assert {"linear_rank", "learning_rate", "optimizer", "total_steps"} <= {text.split()[-1] for text in different}
    assert drawn_to(panel) > 0.9
    screenshot(page, f"training_compare_{design}")

    panel.locator("[role=tab][data-key=runs]").click()
    panel.locator(".zl-pick", has_text=past[1]).click()
    before = widgets(page, node_id)
    panel.locator("[data-key=load]").click()
    after = widgets(page, node_id)
    assert (after["linear_rank"], after["optimizer"], after["total_steps"]) == (32, "adamw", 1500)
    assert after["run_name"] == before["run_name"], "a finished run's name is not loaded"
    assert "Settings changed" in panel.inner_text()
    screenshot(page, f"training_loaded_{design}")
    page.evaluate("app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_timeout(1500)
    assert widgets(page, node_id) == before
    assert panel_of(page, node_id).locator("[role=tab]").count() == 3, (
        "the node that undo has made has a panel of its own"
    )


def widgets(page: Any, node_id: str) -> dict[str, Any]:
    """The node's settings."""
    ask = """id => Object.fromEntries(app.rootGraph.getNodeById(id).widgets
        .filter(({ serialize, name }) => serialize !== false && !name.startsWith("$"))
        .map(({ name, value }) => [name, value ?? null]))"""
    return {name: value for name, value in page.evaluate(ask, node_id).items() if isinstance(value, (str, int, float))}


def test_everything_is_reached_by_the_keyboard_and_has_a_name(page: Any, node_id: str, past: tuple[str, str]) -> None:
    panel = look_at(page, node_id)
    panel.locator("[role=tab][data-key=run]").click()
    page.wait_for_timeout(300)
    page.keyboard.press("ArrowRight")
    assert panel.locator("[role=tab][data-key=runs]").get_attribute("aria-selected") == "true"
    panel.locator(".zl-pick", has_text=past[0]).focus()
    page.keyboard.press("Enter")
    curve = panel.locator("canvas.zl-curve:visible")
    curve.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    assert curve.get_attribute("aria-valuenow") == curve.get_attribute("aria-valuemin")
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    assert curve.get_attribute("aria-valuenow") == "4000"
    assert "Step 4,000" in (curve.get_attribute("aria-valuetext") or "").replace("3,999–", "")
    nameless = panel.locator("button:visible, select, input, canvas, [role=img]").evaluate_all(
        """all => all.filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("id => Boolean(app.rootGraph.getNodeById(id))", node_id), "no key reached the canvas"
    panel.locator(".zl-preview").last.focus()
    page.keyboard.press("Enter")
    dialog = page.locator(".zl-preview-dialog")
    assert "Step 4,000" in dialog.inner_text()
    page.keyboard.press("ArrowLeft")
    assert "Step 3,750" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert dialog.count() == 0


def test_it_is_readable_on_a_narrow_node_in_chinese_and_in_light_colours(
    server: ComfyServer, page: Any, node_id: str, past: tuple[str, str], design: str
) -> None:
    try:
        for locale, palette in (("en", "light"), ("zh", "dark"), ("zh", "light")):
            set_setting(page, "Comfy.Locale", locale)
            set_setting(page, "Comfy.ColorPalette", palette)
            reload(page)
            panel = look_at(page, node_id)
            panel.locator("[role=tab][data-key=runs]").click()
            panel.locator(".zl-pick", has_text=past[0]).click()
            page.evaluate(
                "id => { const node = app.rootGraph.getNodeById(id); node.setSize([300, node.size[1]]); }", node_id
            )
            page.wait_for_timeout(800)
            cut = panel.evaluate(
                """all => [...all.querySelectorAll(".zl-part, .zl-part *")]
                    .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1
                        && getComputedStyle(one).overflowX !== "auto")
                    .map((one) => `${one.className || one.tagName}: ${one.scrollWidth} > ${one.clientWidth}`)"""
            )
            assert not cut, "nothing is cut off"
            show_place(page, "bottom")
            page.wait_for_timeout(800)
            screenshot(page, f"training_narrow_{locale}_{palette}_{design}")
            show_place(page, "bottom")
        said = panel.inner_text()
        for tab in ("runs", "compare", "run"):
            panel.locator(f"[role=tab][data-key={tab}]").click()
            page.wait_for_timeout(400)
            said += panel.inner_text()
        runs = [run["name"] for run in server.get("/zimage_lora/runs")["runs"]]
        names = "|".join(re.escape(name) for name in sorted(runs, key=len, reverse=True))
        words = set(re.findall(r"[A-Za-z]{3,}", re.sub(names, "", said)))
        assert words <= {"LoRA", "Lora", "recompute", "int", "Ctrl"}, words
    finally:
        set_setting(page, "Comfy.Locale", "en")
        set_setting(page, "Comfy.ColorPalette", "dark")
        reload(page)


def test_several_training_nodes_each_show_their_own_run_also_inside_a_subgraph(
    page: Any, node_id: str, past: tuple[str, str], design: str
) -> None:
    inside = page.evaluate(
        """([id, names]) => {
            const made = names.map((name, index) => {
                const node = LiteGraph.createNode("TrainZImageLoRA");
                node.pos = [index * 520, -2000];
                app.rootGraph.add(node);
                node.widgets.find((widget) => widget.name === "run_name").value = name;
                return node;
            });
            const { subgraph } = app.rootGraph.convertToSubgraph(new Set(made));
            app.canvas.setGraph(subgraph);
            const trainers = subgraph.nodes.filter(({ comfyClass }) => comfyClass === "TrainZImageLoRA");
            return trainers.map((node) => String(node.id));
        }""",
        [node_id, past],
    )
    page.wait_for_timeout(1500)
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1500)
    shown = [panel_of(page, one).locator("h3").inner_text() for one in inside]
    screenshot(page, f"training_subgraph_{design}")
    assert sorted(shown) == sorted(past)


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
