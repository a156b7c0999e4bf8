"""Five hundred captions on the canvas, in both node designs: they scroll and are written without lag.

Frames are compared with what the page draws at rest in the same run, because other work may share the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.canvas import browser_missing
from tests.browser.caption_canvas import fill_with, frames_per_second, open_captions, traced_frames
from tests.comfyui.server import ComfyServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(browser_missing()), reason=str(browser_missing()))]

TABLE_PX = 57_000
"""500 rows, nearly."""
FRAMES_SHARE = 5 / 6
"""50 frames a second where the idle page draws 60."""


@pytest.fixture(params=["classic", "new"])
def design(request: pytest.FixtureRequest) -> str:
    """The node design."""
    return str(request.param)


@pytest.fixture
def page(server: ComfyServer, design: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page of that design, with the nodes on it, queued once."""
    with open_captions(server, tmp_path_factory.mktemp(design) / "photos", design) as page:
        yield page


def test_five_hundred_captions_scroll_at_fifty_frames_and_are_written_without_lag(page: Any, design: str) -> None:
    fill_with(page, 500)
    assert page.locator(".zl-captions .zl-caption").count() < 20, "only what is in sight is in the page"
    still = frames_per_second(page, "#nowhere", 0, ms=2000)
    counted = frames_per_second(page, ".zl-captions .zl-scroll", TABLE_PX, ms=10_000)
    num_frames, seconds = traced_frames(
        page, lambda: frames_per_second(page, ".zl-captions .zl-scroll", TABLE_PX, ms=10_000)
    )
    print(f"{design}: {counted:.1f} frames a second scrolling, {still:.1f} at rest; trace {num_frames / seconds:.1f}")
    assert counted >= FRAMES_SHARE * still and num_frames / seconds >= FRAMES_SHARE * still
    typing_ms = page.evaluate(
        """() => {
            const area = document.querySelector(".zl-captions textarea");
            area.focus();
            const took = [];
            for (let index = 0; index < 30; index += 1) {
                area.value += "x";
                const start = performance.now();
                area.dispatchEvent(new InputEvent("input", { bubbles: true }));
                took.push(performance.now() - start);
            }
            return took.sort((a, b) => a - b)[15];
        }"""
    )
    print(f"{design}: {typing_ms:.1f} ms of script for a letter")
    assert typing_ms < 100, "16 ms is aimed at; other work shares this machine"
