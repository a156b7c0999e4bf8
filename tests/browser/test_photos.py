"""The photo widgets on the canvas: photos dropped on the node, edits by hand, and what the next queue makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.canvas import browser_missing, open_canvas, screenshot, show_workflow
from tests.browser.photo_canvas import (
    CLEANER,
    LOADER,
    REPORT,
    card,
    drag,
    drop,
    edits,
    make_folder,
    queue,
    show_node,
    widget,
)
from tests.comfyui.server import PACK_NAME, ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

FOLDER = "米拉 photos"


@pytest.fixture(scope="module")
def page(server: ComfyServer) -> Iterator[Any]:
    """One page for all tests of this file."""
    with open_canvas(server) as page:
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos") / FOLDER)


@pytest.fixture(scope="module")
def drawn(page: Any) -> None:
    """The nodes on the canvas, connected."""
    show_workflow(page, {"version": 0.4, "nodes": [], "links": [], "groups": [], "last_node_id": 0, "last_link_id": 0})
    page.evaluate("""() => {
        const kinds = ["LoadPhotoFolder", "CleanAndResize", "DatasetReport"];
        const [loader, cleaner, report] = kinds.map((kind, index) => {
            const node = LiteGraph.createNode(kind);
            node.pos = [index * 560, 0];
            app.rootGraph.add(node);
            return node;
        });
        loader.connect(0, cleaner, "photos");
        cleaner.connect(0, report, "photos");
    }""")
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1500)


@pytest.fixture(scope="module")
def dropped(page: Any, server: ComfyServer, drawn: None, folder: Path) -> dict[str, dict[str, Any]]:
    """The folder dropped on the node and queued: what the node said about each photo."""
    show_node(page, LOADER)
    drop(page, ".zl-upload", [folder])
    page.get_by_text(f"4 photos are in input/{FOLDER}").wait_for()
    screenshot(page, "photos_uploaded")
    assert widget(page, LOADER, "folder") == FOLDER
    return queue(page, server)


def test_a_dropped_folder_arrives_whole_and_is_read_by_the_next_queue(
    page: Any, server: ComfyServer, folder: Path, dropped: dict[str, dict[str, Any]]
) -> None:
    arrived = {path.name: path.read_bytes() for path in (server.base_dir / "input" / FOLDER).iterdir()}
    assert arrived == {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".pdf"}
    assert set(dropped) == {path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg")}
    assert page.get_by_text("notes.pdf").count() == 1


def test_photos_dropped_on_a_node_that_has_a_folder_are_added_to_it(
    page: Any, server: ComfyServer, folder: Path, dropped: dict[str, dict[str, Any]]
) -> None:
    show_node(page, LOADER)
    drop(page, ".zl-upload", [folder / "1 宇航员.png", folder / "3 coffee.png"])
    page.get_by_text(f"2 photos are in input/{FOLDER}").wait_for()
    assert len(list((server.base_dir / "input" / FOLDER).glob("*.png"))) == 3  # the same bytes are not kept twice


def test_photos_from_the_file_dialog_get_a_folder_that_is_asked_for(
    page: Any, server: ComfyServer, folder: Path, dropped: dict[str, dict[str, Any]]
) -> None:
    page.evaluate("id => { app.rootGraph.getNodeById(id).widgets.find((w) => w.name === 'folder').value = '' }", LOADER)
    with page.expect_file_chooser() as chooser:
        page.locator(".zl-upload [data-key=add_photos]").click()
    chooser.value.set_files([str(folder / "1 宇航员.png")])
    page.get_by_role("dialog").get_by_role("textbox").fill("asked: for")
    page.keyboard.press("Enter")
    page.get_by_text("1 photos are in input/asked_ for").wait_for()
    assert [path.name for path in (server.base_dir / "input/asked_ for").iterdir()] == ["1 宇航员.png"]
    page.evaluate(
        "([id, name]) => { app.rootGraph.getNodeById(id).widgets.find((w) => w.name === 'folder').value = name }",
        [LOADER, FOLDER],
    )


def test_a_photo_set_aside_is_listed_with_its_reason_and_taken_back(
    page: Any, server: ComfyServer, dropped: dict[str, dict[str, Any]]
) -> None:
    (name,) = (name for name in ("1 宇航员.png", "2 copy.jpg") if dropped[name]["set_aside"])
    show_node(page, CLEANER)
    screenshot(page, "photos_before_and_after")
    assert dropped[name]["set_aside"]["reason"] in card(page, name).inner_text()
    card(page, name).get_by_role("button", name="Take back").click()
    assert edits(page) == {name: {"use": True}}
    assert "Queue again" in page.locator(".zl-note").inner_text()
    again = queue(page, server)
    assert again[name]["after"] and not again[name]["set_aside"]
    assert not page.locator(".zl-note").is_visible()


def test_the_report_is_shown_on_its_node_and_opens_in_full_size(page: Any, dropped: dict[str, dict[str, Any]]) -> None:
    show_node(page, REPORT)
    screenshot(page, "photos_report")
    picture = page.locator(".zl-report .zl-picture")
    assert picture.bounding_box()["width"] > 700
    picture.click()
    screenshot(page, "photos_report_full_size")
    shown = page.locator(".zl-full img")
    assert shown.bounding_box()["width"] == shown.evaluate("image => image.naturalWidth")
    page.keyboard.press("Escape")
    assert page.locator(".zl-full").count() == 0


def test_a_dragged_crop_changes_the_working_copy(
    page: Any, server: ComfyServer, dropped: dict[str, dict[str, Any]]
) -> None:
    name = "3 coffee.png"
    show_node(page, CLEANER)
    card(page, name).locator(".zl-pair").click()
    page.locator(".zl-large").wait_for()
    page.keyboard.press("c")
    before = dropped[name]["frame"]
    drag(page, (before[0] + 0.002, 0.5), (before[0] + 0.4, 0.5))
    screenshot(page, "photos_crop")
    page.keyboard.press("m")
    drag(page, (0.55, 0.55), (0.65, 0.7))
    screenshot(page, "photos_mark")
    page.keyboard.press("Escape")
    said = edits(page)[name]
    assert abs(said["crop"][0] - before[0] - 0.4) < 0.02 and said["crop"][1:] == pytest.approx(before[1:], abs=0.001)
    assert len(said["marks"]) == 1
    again = queue(page, server)[name]
    left, top, right, bottom = said["crop"]
    width_px, height_px = again["after_size"]
    assert width_px / height_px == pytest.approx((right - left) * 600 / ((bottom - top) * 400), rel=0.02)
    assert again["frame"] == pytest.approx(said["crop"], abs=0.005)


def test_a_slider_leads_from_before_to_after(page: Any, dropped: dict[str, dict[str, Any]]) -> None:
    card(page, "3 coffee.png").locator(".zl-pair").click()
    slider, upper = page.locator(".zl-slider"), page.locator(".zl-overlaid .zl-upper")
    screenshot(page, "photos_slider")
    assert upper.evaluate("image => getComputedStyle(image).clipPath") == "inset(0px 0px 0px 50%)"
    slider.focus()
    page.keyboard.press("Home")
    assert upper.evaluate("image => getComputedStyle(image).clipPath") == "inset(0px 0px 0px 0%)"
    box = page.locator(".zl-overlaid").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    assert slider.input_value() == "80"
    frame, under = page.locator(".zl-overlaid").bounding_box(), page.locator(".zl-under").bounding_box()
    kept = "([id, name]) => app.nodeOutputs[id].zimage_lora_photos.find((photo) => photo.name === name).frame"
    left, top, right, bottom = page.evaluate(kept, [CLEANER, "3 coffee.png"])
    assert under["width"] * (right - left) == pytest.approx(frame["width"], rel=0.01)
    assert under["height"] * (bottom - top) == pytest.approx(frame["height"], rel=0.01)
    page.keyboard.press("Escape")


def test_labels_are_set_and_undone(page: Any, dropped: dict[str, dict[str, Any]]) -> None:
    card(page, "4 two.png").locator(".zl-pair").click()
    page.locator(".zl-side select[data-key=manner]").select_option("posed")
    page.locator(".zl-side select[data-key=pose]").select_option("profile")
    assert edits(page)["4 two.png"]["labels"] == {"pose": "profile", "manner": "posed"}
    page.locator(".zl-large [data-key=close]").focus()
    page.keyboard.press("Control+z")
    assert edits(page)["4 two.png"]["labels"] == {"manner": "posed"}
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Escape")
    assert edits(page)["4 two.png"]["labels"] == {"pose": "profile", "manner": "posed"}


def test_a_click_on_another_face_makes_it_the_subject(
    page: Any, server: ComfyServer, dropped: dict[str, dict[str, Any]]
) -> None:
    name = "4 two.png"
    faces = dropped[name]["faces"]
    if len(faces) < 2:
        pytest.skip("no face detector in this ComfyUI")
    other = 1 - dropped[name]["subject"]
    left, top, right, bottom = faces[other]
    card(page, name).locator(".zl-pair").click()
    page.keyboard.press("f")
    screenshot(page, "photos_faces")
    drag(page, ((left + right) / 2, (top + bottom) / 2), ((left + right) / 2, (top + bottom) / 2))
    assert page.locator(".zl-face.zl-chosen").count() == 1
    page.keyboard.press("Escape")
    x, y = edits(page)[name]["face"]
    assert left < x < right and top < y < bottom
    assert queue(page, server)[name]["subject"] == other


def test_edits_survive_saving_and_opening_the_workflow(page: Any, dropped: dict[str, dict[str, Any]]) -> None:
    show_node(page, CLEANER)
    card(page, "3 coffee.png").locator(".zl-use").click()
    said = edits(page)
    show_workflow(page, page.evaluate("app.rootGraph.serialize()"))
    assert edits(page) == said and "use" in said["3 coffee.png"]
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    assert prompt[CLEANER]["inputs"]["edits"] == widget(page, CLEANER, "edits")
    assert not [name for name in prompt[CLEANER]["inputs"] if name.startswith("photo_")]  # the viewer is no setting
    copies = page.evaluate(
        "id => app.rootGraph.getNodeById(id).clone().widgets.find((w) => w.name === 'edits').value", CLEANER
    )
    assert copies == widget(page, CLEANER, "edits")


def test_the_canvas_undo_takes_an_edit_back(page: Any, server: ComfyServer, dropped: dict[str, dict[str, Any]]) -> None:
    queue(page, server)  # the reopened workflow has shown no photos yet
    show_node(page, CLEANER)
    before = edits(page)
    card(page, "1 宇航员.png").locator(".zl-use").click()
    assert edits(page) != before
    page.evaluate("app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_function("() => document.querySelectorAll('.zl-photos .zl-card').length >= 4")
    assert edits(page) == before


def test_five_hundred_photos_are_drawn_and_edited_without_lag(page: Any, dropped: dict[str, dict[str, Any]]) -> None:
    took = page.evaluate(
        """async ([id, photo]) => {
            const node = app.rootGraph.getNodeById(id);
            const photos = Array.from({ length: 500 }, (_, index) => (
                { ...photo, hash: String(index).padStart(64, "0"), name: `${index}.jpg` }));
            const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
            const timed = async (act) => {
                const start = performance.now();
                act();
                await frame();
                return performance.now() - start;
            };
            const edits = node.widgets.find((widget) => widget.name === "edits").value;
            const all = await timed(() => node.onExecuted({ zimage_lora_photos: photos, zimage_lora_edits: [edits] }));
            const use = document.querySelectorAll(".zl-photos .zl-use")[250];
            const one = await timed(() => use.click());
            const idle = await timed(() => {});
            node.widgets.find((widget) => widget.name === "edits").value = edits;
            return { all, one, idle, cards: document.querySelectorAll(".zl-photos .zl-card").length };
        }""",
        [CLEANER, dropped["3 coffee.png"]],
    )
    assert took["cards"] == 500
    assert took["all"] - took["idle"] < 3000 and took["one"] - took["idle"] < 1000  # on a busy machine


def test_the_editor_works_in_the_new_node_design_too(
    page: Any, server: ComfyServer, dropped: dict[str, dict[str, Any]]
) -> None:
    page.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', true)")
    try:
        page.reload()
        page.wait_for_function("window.app && window.app.extensionManager && window.app.canvas && window.LiteGraph")
        page.wait_for_timeout(3000)
        queue(page, server)
        show_node(page, CLEANER)
        screenshot(page, "photos_new_node_design")
        name = "3 coffee.png"
        before = edits(page)
        card(page, name).locator(".zl-use").click()
        assert edits(page)[name].get("use") != before[name].get("use")
        card(page, name).locator(".zl-pair").click()
        page.keyboard.press("c")
        page.keyboard.press("r")
        page.keyboard.press("Escape")
        assert "crop" not in edits(page)[name]
        box = page.locator(".zl-photos").bounding_box()
        assert box["height"] > 300 and box["width"] > 300
        show_node(page, LOADER)
        screenshot(page, "photos_uploader_new_node_design")
        assert page.locator(".zl-upload").bounding_box()["height"] > 60
    finally:
        page.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")


def test_console_has_no_error_of_ours(page: Any) -> None:
    ours = [said for said in page.said if said[0] == "error" and any(PACK_NAME in part for part in said[1:])]
    assert ours == []
