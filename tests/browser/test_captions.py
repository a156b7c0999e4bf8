"""The caption editor on the canvas, in both node designs: edits are typed, undone, replaced, kept and applied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.caption_canvas import (
    CAPTIONER,
    OWN,
    area,
    compose,
    edits,
    open_captions,
    queue,
    row,
    shown_names,
    wait_until_ready,
)
from tests.browser.photo_canvas import show_node
from tests.comfyui.server import PACK_NAME, ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

PLAIN = "a photo of Mila"


@pytest.fixture(scope="module")
def page(server: ComfyServer, design: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page of that design, with the nodes on it, queued once."""
    with open_captions(server, tmp_path_factory.mktemp(design) / "米拉 photos", design) as page:
        yield page


@pytest.fixture(autouse=True)
def untouched(page: Any) -> Iterator[None]:
    """Each test begins without edits, filter and search."""
    yield
    page.keyboard.press("Escape")
    page.evaluate(
        """id => {
            const node = app.rootGraph.getNodeById(id);
            const widget = node.widgets.find(({ name }) => name === "edits");
            widget.value = "";
            widget.callback?.("");
        }""",
        CAPTIONER,
    )
    page.locator(".zl-captions [data-key=search]").fill("")
    page.locator(".zl-captions [data-key=filter]").select_option("all")


def test_every_photo_has_its_caption_its_picture_and_where_it_is_from(page: Any, design: str) -> None:
    assert shown_names(page)[:4] == ["1.png", "2.png", "3.png", "4.png"]
    screenshot(page, f"captions_{design}")
    assert [area(page, name).input_value() for name in ("1.png", "2.png")] == [PLAIN, OWN["2.png"]]
    assert "your file" in row(page, "2.png").inner_text() and "template" in row(page, "1.png").inner_text()
    assert row(page, "1.png").locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    box = page.locator(".zl-captions").bounding_box()
    assert box["width"] > 300 and box["height"] > 300


def test_a_typed_caption_is_kept_in_the_workflow_and_applied_by_the_next_queue(page: Any, server: ComfyServer) -> None:
    area(page, "1.png").fill("Mila in the snow")
    assert edits(page) == {"1.png": {"caption": "Mila in the snow"}}
    assert "Queue again" in page.locator(".zl-captions .zl-note").inner_text()
    captions = queue(page, server)
    assert captions["1.png"] == "Mila in the snow" and captions["4.png"] == PLAIN
    assert not page.locator(".zl-captions .zl-note").is_visible()
    assert "by hand" in row(page, "1.png").inner_text()


def test_typing_is_undone_and_redone_with_the_keys(page: Any) -> None:
    area(page, "1.png").click()
    page.keyboard.press("End")
    page.keyboard.type(" with a hat", delay=10)
    assert area(page, "1.png").input_value() == f"{PLAIN} with a hat"
    page.keyboard.press("Control+z")
    assert area(page, "1.png").input_value() == PLAIN and edits(page) == {}
    page.keyboard.press("Control+Shift+z")
    assert edits(page) == {"1.png": {"caption": f"{PLAIN} with a hat"}}
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    assert area(page, "1.png").input_value() == f"{PLAIN} with a hat"


def test_the_canvas_undo_takes_an_edit_back(page: Any) -> None:
    area(page, "4.png").fill("Mila by the river")
    area(page, "4.png").blur()
    page.evaluate("app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_timeout(800)
    assert edits(page) == {}


def test_what_was_typed_in_one_go_is_one_step_of_the_canvas_too(page: Any) -> None:
    area(page, "1.png").fill("Mila by the river")
    area(page, "4.png").click()
    page.keyboard.press("End")
    page.keyboard.type(" with a hat")
    area(page, "4.png").blur()
    page.evaluate("app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_timeout(800)
    assert edits(page) == {"1.png": {"caption": "Mila by the river"}}


def test_the_focus_stays_in_the_editor_when_a_button_has_done_its_work(page: Any) -> None:
    area(page, "1.png").fill("x")
    page.locator(".zl-captions [data-key=undo]").click()
    assert page.evaluate("document.activeElement.closest('.zl-captions') !== null")
    page.keyboard.press("Control+y")
    assert edits(page) == {"1.png": {"caption": "x"}}


def test_control_enter_queues_while_people_write(page: Any, server: ComfyServer) -> None:
    before = len(server.get("/history"))
    area(page, "1.png").click()
    page.keyboard.press("End")
    page.keyboard.type("!")
    page.keyboard.press("Control+Enter")
    deadline_s = time.monotonic() + 60
    while len(server.get("/history")) == before:
        assert time.monotonic() < deadline_s, "nothing was queued"
        page.wait_for_timeout(100)
    page.get_by_text("Queue again to apply").wait_for(state="hidden")
    assert edits(page) == {"1.png": {"caption": f"{PLAIN}!"}}


def test_an_emptied_caption_stays_empty_while_people_write_and_is_then_the_automatic_one(page: Any) -> None:
    area(page, "1.png").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    assert area(page, "1.png").input_value() == ""
    page.keyboard.type("a b ")
    assert area(page, "1.png").input_value() == "a b "
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    area(page, "1.png").blur()
    assert area(page, "1.png").input_value() == PLAIN and edits(page) == {}
    assert page.evaluate("app.rootGraph.nodes.length") == 2, "Delete is for the text, not for the node"


def test_the_keyboard_alone_walks_through_the_captions(page: Any) -> None:
    area(page, "1.png").focus()
    page.keyboard.press("End")
    page.keyboard.type("!")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('.zl-caption').querySelector('.zl-name').title") == "2.png"
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    assert edits(page) == {"1.png": {"caption": f"{PLAIN}!"}}


def test_chinese_is_composed_without_being_disturbed(page: Any) -> None:
    area(page, "1.png").click()
    page.keyboard.press("Control+a")
    compose(page, ["x", "xi", "xiao"], "小美", key="Enter")
    assert area(page, "1.png").input_value() == "小美"
    assert page.evaluate("document.activeElement.closest('.zl-caption').querySelector('.zl-name').title") == "1.png"
    compose(page, ["d", "de"], "的照片")
    assert edits(page) == {"1.png": {"caption": "小美的照片"}}


def test_what_is_unusual_is_composed_too_and_taken_back_with_escape(page: Any) -> None:
    row(page, "1.png").locator("input").click()
    compose(page, ["ma", "mawei"], "马尾", key="Enter")
    assert row(page, "1.png").locator("input").input_value() == "马尾"
    assert edits(page) == {"1.png": {"feature": "马尾"}}
    page.keyboard.press("Escape")
    assert edits(page) == {}


def test_captions_are_filtered_by_what_they_want_and_mended_with_one_click(page: Any, server: ComfyServer) -> None:
    page.locator(".zl-captions [data-key=filter]").select_option("nameless")
    assert shown_names(page) == ["2.png"]
    page.locator('.zl-finding[data-kind="nameless"] .zl-fix').click()
    assert edits(page) == {"2.png": {"caption": "a photo of Mila, a young woman on a beach"}} or edits(page) == {
        "2.png": {"caption": "Mila on a beach"}
    }
    page.locator(".zl-captions [data-key=undo]").click()
    assert edits(page) == {}
    page.locator(".zl-captions [data-key=redo]").click()
    queue(page, server)
    assert page.locator('.zl-finding[data-kind="nameless"]').count() == 0
    assert page.locator('.zl-finding[data-kind="weights"]').count() == 1


def test_find_and_replace_changes_all_that_is_shown_in_one_step(page: Any) -> None:
    page.locator(".zl-captions [data-key=find_replace]").click()
    page.locator(".zl-captions [data-key=find]").fill("a photo of")
    page.locator(".zl-captions [data-key=replace_by]").fill("a portrait of")
    button = page.locator(".zl-captions .zl-replace")
    assert button.inner_text() == "Replace 5 in 5 captions"
    button.click()
    assert {edit["caption"] for edit in edits(page).values()} == {"a portrait of Mila"} and len(edits(page)) == 5
    page.locator(".zl-captions [data-key=undo]").click()
    assert edits(page) == {}
    page.locator(".zl-captions [data-key=find_replace]").click()


def test_search_looks_at_names_and_captions(page: Any) -> None:
    page.locator(".zl-captions [data-key=search]").fill("海边")
    assert shown_names(page) == ["5 海边.png"]
    page.locator(".zl-captions [data-key=search]").fill("SMILING")
    assert shown_names(page) == ["3.png"]


def test_what_is_unusual_and_a_missing_face_are_told_in_fields(page: Any, server: ComfyServer) -> None:
    row(page, "1.png").locator("input").fill("ponytail")
    row(page, "1.png").locator("input").press("Enter")
    row(page, "4.png").locator("select").select_option(label="No face")
    assert edits(page) == {"1.png": {"feature": "ponytail"}, "4.png": {"faceless": True}}
    captions = queue(page, server)
    assert captions["1.png"] == f"{PLAIN} with ponytail" and captions["4.png"] == f"{PLAIN} without face"


def test_edits_hold_after_a_reload_of_the_page_and_a_new_queue(page: Any, server: ComfyServer, design: str) -> None:
    area(page, "1.png").fill("Mila in the rain")
    area(page, "1.png").blur()
    page.wait_for_timeout(1500)  # the workflow is kept by the page a moment after it changes
    page.reload()
    wait_until_ready(page)
    assert edits(page) == {"1.png": {"caption": "Mila in the rain"}}
    assert queue(page, server)["1.png"] == "Mila in the rain"
    show_node(page, CAPTIONER)
    assert area(page, "1.png").input_value() == "Mila in the rain"
    screenshot(page, f"captions_reloaded_{design}")


def test_the_editor_speaks_chinese(page: Any, server: ComfyServer, design: str) -> None:
    try:
        page.evaluate("app.extensionManager.setting.set('Comfy.Locale', 'zh')")
        page.reload()
        wait_until_ready(page)
        queue(page, server)
        show_node(page, CAPTIONER)
        row(page, "4.png").locator("select").select_option(label="没有露脸")
        page.locator(".zl-captions [data-key=find_replace]").click()
        page.locator(".zl-captions [data-key=find]").fill("a photo")
        screenshot(page, f"captions_chinese_{design}")
        assert "缺少名字" in row(page, "2.png").inner_text() and "待运行" in row(page, "4.png").inner_text()
    finally:
        page.evaluate("app.extensionManager.setting.set('Comfy.Locale', 'en')")
        page.reload()
        wait_until_ready(page)
        queue(page, server)
        show_node(page, CAPTIONER)


def test_edits_of_other_photos_are_kept_until_they_are_forgotten(page: Any, server: ComfyServer) -> None:
    text = '{"version":1,"photos":{"gone":{"name":"old.jpg","caption":"Mila then"}}}'
    page.evaluate(
        """([id, text]) => {
            const widget = app.rootGraph.getNodeById(id).widgets.find(({ name }) => name === "edits");
            widget.value = text;
            widget.callback?.(text);
        }""",
        [CAPTIONER, text],
    )
    queue(page, server)
    assert "Edits of 1 photos that are not here are kept." in page.locator(".zl-captions").inner_text()
    page.locator(".zl-captions [data-key=forget]").click()
    assert edits(page) == {}


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
