"""The sweep viewer wherever it stands: whole window, narrow node, subgraph, large sweep, Chinese, light colours."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.photo_canvas import show_node
from tests.browser.sweep_canvas import (
    GRID,
    cell,
    fill_with,
    queue,
    reload,
    row_head,
    set_setting,
    title,
)
from tests.comfyui.server import PACK_NAME, ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]


@pytest.fixture(scope="module")
def run_name(design: str) -> str:
    """One of its own for each design: of what the server has done before, a page hears nothing."""
    return f"places {design}"


def test_the_whole_window_shows_the_grid_and_gives_it_back(page: Any, design: str) -> None:
    page.locator(".zl-sweep [data-key=wide]").click()
    assert page.locator(".zl-wide .zl-sweep-grid").bounding_box()["width"] > 1300
    cell(page, 1, 5).click()
    page.keyboard.press("Escape")
    assert page.locator(".zl-sweep-large").count() == 0 and page.locator(".zl-wide .zl-sweep-grid").count() == 1
    screenshot(page, f"sweep_wide_{design}")
    page.keyboard.press("Escape")
    assert page.locator(".zl-wide").count() == 0 and page.locator(GRID).bounding_box()["width"] < 1300


def test_a_narrow_node_keeps_everything_within_reach(page: Any, node_id: str, design: str) -> None:
    resize = "([id, width]) => { const node = app.rootGraph.getNodeById(id); node.setSize([width, node.size[1]]); }"
    width = page.evaluate("id => app.rootGraph.getNodeById(id).size[0]", node_id)
    page.evaluate(resize, [node_id, 330])
    page.wait_for_timeout(600)
    screenshot(page, f"sweep_narrow_{design}")
    grid = page.locator(GRID).bounding_box()
    use = row_head(page, "step 16").locator(".zl-choose").bounding_box()
    assert use["x"] + use["width"] < grid["x"] + grid["width"] / 2
    assert cell(page, 1, 0).bounding_box()["x"] < grid["x"] + grid["width"] * 0.6
    page.evaluate(resize, [node_id, width])
    page.wait_for_timeout(400)


SCROLLED = """async selector => {
    const scroll = document.querySelector(selector);
    const took = [];
    for (let step = 1; step <= 240; step += 1) {
        if (step <= 160) scroll.scrollLeft += (scroll.scrollWidth - scroll.clientWidth) / 160;
        else scroll.scrollTop += (scroll.scrollHeight - scroll.clientHeight) / 80;
        const start = performance.now();
        scroll.dispatchEvent(new Event("scroll"));
        took.push(performance.now() - start);
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return took.sort((one, other) => one - other);
}"""
"""Scroll through the grid as a wheel does, and give the milliseconds of script that each frame took, sorted."""


def test_twenty_rows_of_sixty_pictures_scroll_without_lag(page: Any, node_id: str, design: str) -> None:
    fill_with(page, node_id, 20, 60)
    assert page.locator(f"{GRID} .zl-cell").count() < 120, "only what is in sight is in the page"
    times = page.evaluate(SCROLLED, GRID)
    print(f"{design}: {times[len(times) // 2]:.1f} ms of script for a frame of scrolling, at most {times[-1]:.1f}")
    assert times[len(times) // 2] < 16, "a frame has 16 ms"
    assert cell(page, 0, 59).count() + page.locator(f'{GRID} .zl-cell[data-column="59"]').count() > 0
    screenshot(page, f"sweep_many_{design}")
    reload(page)
    show_node(page, node_id, 0.85)
    cell(page, 1, 0).wait_for()


def test_it_speaks_chinese_and_takes_the_light_palette(page: Any, node_id: str, design: str) -> None:
    try:
        set_setting(page, "Comfy.Locale", "zh")
        set_setting(page, "Comfy.ColorPalette", "light")
        reload(page)
        show_node(page, node_id, 0.85)
        cell(page, 1, 0).wait_for()
        page.wait_for_timeout(800)
        screenshot(page, f"sweep_chinese_light_{design}")
        said = page.locator(".zl-sweep").inner_text()
        page.locator(".zl-sweep [data-key=tally]").click()
        said += page.locator(".zl-tally").inner_text()
        page.keyboard.press("Escape")
        cell(page, 1, 0).click()
        page.wait_for_timeout(300)
        screenshot(page, f"sweep_large_chinese_light_{design}")
        said += page.locator(".zl-sweep-large").inner_text()
        page.keyboard.press("Escape")
        words = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"a photo of [^\n（(]*", "", said)))
        assert words <= {"LoRA", "Image", "Esc"}, words
    finally:
        set_setting(page, "Comfy.Locale", "en")
        set_setting(page, "Comfy.ColorPalette", "dark")
        reload(page)


def test_in_a_subgraph_it_shows_its_own_runs_too(page: Any, server: ComfyServer, node_id: str, design: str) -> None:
    inside = page.evaluate(
        """id => {
            const node = app.rootGraph.getNodeById(id);
            const { subgraph, node: outer } = app.rootGraph.convertToSubgraph(new Set([node]));
            const inner = subgraph.nodes.find(({ comfyClass }) => comfyClass === "CheckpointSweep");
            app.canvas.setGraph(subgraph);
            return [String(outer.id), String(inner.id)];
        }""",
        node_id,
    )
    page.wait_for_timeout(1500)
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    outputs = queue(page, server)
    assert ":".join(inside) in outputs
    page.wait_for_timeout(1000)
    screenshot(page, f"sweep_subgraph_{design}")
    cell(page, 2, 0).click()
    assert title(page) == "step 24"
    page.keyboard.press("Escape")


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
