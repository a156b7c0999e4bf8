"""The canvas in a real Chromium: opening it, waiting for it, reading what it says. Knows no test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.comfyui.server import REPOSITORY, ComfyServer

ARTIFACTS = REPOSITORY / "tests" / "browser" / "artifacts"
_FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")
_READY = "window.app && window.app.extensionManager && window.app.canvas && window.LiteGraph"


def browser_missing() -> str | None:
    """Why there is no browser to test in, or None."""
    return None if _chromium() else "no Chromium (install one, or set CHROMIUM_PATH)"


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def open_canvas(server: ComfyServer, width_px: int = 1600, height_px: int = 1000) -> Iterator[Any]:
    """A Playwright page with ComfyUI's front end ready. `page.said` has the console's messages: (type, text, url)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=list(_FLAGS))
        page = browser.new_page(viewport={"width": width_px, "height": height_px})
        page.context.set_default_timeout(120_000)  # of every tab: a busy machine takes its time
        page.said = []
        page.on("console", lambda said: page.said.append((said.type, said.text, said.location.get("url", ""))))
        page.on("pageerror", lambda error: page.said.append(("error", str(error), "")))
        page.goto(server.url)
        page.wait_for_function(_READY)
        yield page
        browser.close()


def show_workflow(page: Any, workflow: dict[str, Any]) -> None:
    """Load a workflow as opening its file does, and bring all of it into view."""
    page.evaluate("async workflow => { await app.loadGraphData(workflow); }", workflow)
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1500)


def screenshot(page: Any, name: str) -> Path:
    """Keep a picture of the page among the artifacts, which git ignores."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    page.screenshot(path=path)
    return path
