"""The whole guide as a newcomer plays it, in both node designs and both languages, without a word in the console."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.canvas import browser_missing, screenshot
from tests.browser.newcomer_canvas import (
    LANGUAGES,
    errors_of_ours,
    guide_workflow,
    ids_of,
    open_file,
    open_newcomer,
    other_language,
    pictures_in,
    press_run,
    run_only,
    wait_for_end,
)
from tests.browser.photo_canvas import drop, show_node, show_view, widget
from tests.browser.sweep_canvas import cell, choice, reload
from tests.browser.training_canvas import drawn_to, wait_for_state, wait_for_step
from tests.comfyui.fixtures import POCKET
from tests.comfyui.server import ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

SUBJECTS = {"en": "Mila", "zh": "小红"}
NUM_PHOTOS = 6


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_guide_as_a_newcomer_plays_it(
    server: ComfyServer, design: str, language: str, tmp_path: Path
) -> None:
    with open_newcomer(server, design, language) as page:
        Newcomer(server, page, design, language, tmp_path).play()
        assert errors_of_ours(page, server) == []


class Newcomer:
    """One play, stage by stage, each with its picture."""

    def __init__(self, server: ComfyServer, page: Any, design: str, language: str, folder: Path) -> None:
        self.server, self.page, self.folder = server, page, folder
        self.design, self.language = design, language
        self.subject = SUBJECTS[language]
        self.run_name = f"{self.subject} {design}"
        self.workflow = guide_workflow(server, self.run_name, self.subject)
        self.ids = ids_of(server, self.workflow)

    def play(self) -> None:
        open_file(self.page, self.workflow, self.folder / "guide.json")
        self.see("opened")
        self.drop_photos()
        self.write_caption()
        self.train()
        self.reload_in_mid_run()
        self.finish()
        self.view_sweep()
        self.choose_and_draw()

    def see(self, stage: str) -> None:
        """Keep a picture, and read the screen for words of the other language."""
        screenshot(self.page, f"newcomer_{stage}_{self.design}_{self.language}")
        prompts = (f"a photo of {self.subject}", "a photo of a person")
        names = (str(self.server.base_dir), self.run_name, self.subject, *prompts, *(one.name for one in self.photos()))
        assert other_language(self.page, self.language, names) == [], stage

    def photos(self) -> list[Path]:
        return sorted((POCKET / "photos/mila").iterdir())[:NUM_PHOTOS]

    def drop_photos(self) -> None:
        page, node_id = self.page, self.ids["LoadPhotoFolder"]
        show_view(page, node_id, ".zl-upload")
        drop(page, ".zl-upload", self.photos())
        name = page.get_by_role("dialog").get_by_role("textbox")
        name.fill(self.run_name)
        self.see("asked")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "name => app.rootGraph.nodes.some(({ widgets }) => widgets?.some((one) => one.value === name))",
            arg=self.run_name,
        )
        page.locator(".zl-upload").get_by_text(f"input/{self.run_name}").wait_for()
        self.see("dropped")
        assert widget(page, node_id, "folder") == self.run_name
        arrived = self.server.base_dir / "input" / self.run_name
        assert {path.name: path.read_bytes() for path in arrived.iterdir()} == {
            path.name: path.read_bytes() for path in self.photos()
        }

    def write_caption(self) -> None:
        page, node_id = self.page, self.ids["AutoCaption"]
        before = len(self.server.get("/history"))
        show_view(page, node_id, ".zl-captions")
        run_only(page, node_id)
        wait_for_end(page, self.server, before)
        show_view(page, self.ids["CleanAndResize"], ".zl-photos")
        self.see("photos")
        show_view(page, node_id, ".zl-captions")
        first = page.locator(".zl-captions .zl-caption textarea").first
        first.click()
        page.keyboard.press("End")
        page.keyboard.type(" smiling", delay=10)
        first.blur()
        page.wait_for_timeout(500)
        self.see("caption")
        assert "smiling" in widget(page, node_id, "edits")

    def train(self) -> None:
        page = self.page
        press_run(page)
        panel = show_view(page, self.ids["TrainZImageLoRA"], ".zl-training")
        wait_for_state(panel, "running")
        wait_for_step(page, 4)
        few = drawn_to(panel)
        self.see("begun")
        wait_for_step(page, 12)
        assert drawn_to(panel) > few > 0
        panel.locator("[data-key=smoothing]").select_option("little")
        self.see("grown")

    def reload_in_mid_run(self) -> None:
        page = self.page
        page.wait_for_timeout(1500)
        reload(page)
        panel = show_view(page, self.ids["TrainZImageLoRA"], ".zl-training")
        wait_for_state(panel, "running")
        assert panel.locator("canvas.zl-curve:visible").get_attribute("aria-valuemin") == "1", "the first step is there"
        assert panel.locator("[data-key=smoothing]").input_value() == "little"
        come_to = int(re.sub(r"\D", "", panel.locator("[data-name=steps]").inner_text().split("/")[0]))
        wait_for_step(page, come_to + 5)
        self.see("reloaded")

    def finish(self) -> None:
        page, before = self.page, len(self.server.get("/history"))
        panel = page.locator(".zl-training:visible").first
        panel.locator("[data-key=finish]").click()
        self.see("sure")
        page.get_by_role("button", name=re.compile("Confirm|确认|确定")).click()
        wait_for_state(panel, "finished")
        page.wait_for_timeout(500)
        self.see("finished")
        outputs = wait_for_end(page, self.server, before)
        captions = [row["caption"] for row in outputs[self.ids["AutoCaption"]]["zimage_lora_captions"]]
        assert captions[0] == f"a photo of {self.subject} smiling" and len(captions) == NUM_PHOTOS
        self.drawn = pictures_in(outputs, self.server)

    def view_sweep(self) -> None:
        page, node_id = self.page, self.ids["CheckpointSweep"]
        show_view(page, node_id, ".zl-sweep")
        cell(page, 1, 0).locator("img").wait_for()
        page.wait_for_timeout(800)
        self.see("sweep")
        cell(page, 1, 0).click()
        page.locator(".zl-sweep-large").wait_for()
        page.wait_for_timeout(500)
        self.see("enlarged")

    def choose_and_draw(self) -> None:
        page, before = self.page, len(self.server.get("/history"))
        page.locator(".zl-sweep-large .zl-choose").click()
        page.keyboard.press("Escape")
        step = choice(page, self.ids["CheckpointSweep"])
        assert step.isdigit()
        page.wait_for_timeout(400)
        self.see("chosen")
        press_run(page)
        outputs = wait_for_end(page, self.server, before)
        apply_id = self.ids["ApplyLoRA"]
        assert f"{int(step):09d}" in str(outputs[apply_id]["text"]), outputs[apply_id]
        show_node(page, apply_id, 0.6)
        self.see("applied")
        show_node(page, next(str(node["id"]) for node in self.workflow["nodes"] if node["type"] == "SaveImage"), 0.6)
        self.see("drawn")
        drawn = pictures_in(outputs, self.server)
        assert len(drawn) == len(self.drawn) == 3
        assert not any(np.array_equal(one, other) for one, other in zip(drawn, self.drawn)), "another checkpoint"
