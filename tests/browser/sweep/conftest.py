"""A page with a sweep on it, for the tests of its viewer; each file names a run of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.sweep_canvas import open_sweep, sweep_id, sweep_workflow
from tests.comfyui.server import ComfyServer


@pytest.fixture(scope="module")
def workflow(server: ComfyServer, run_name: str) -> dict[str, Any]:
    return sweep_workflow(server, run_name)


@pytest.fixture(scope="module")
def node_id(server: ComfyServer, workflow: dict[str, Any]) -> str:
    return sweep_id(server, workflow)


@pytest.fixture(scope="module")
def page(server: ComfyServer, design: str, workflow: dict[str, Any], node_id: str) -> Iterator[Any]:
    """A page of that design with the workflow open, and its sweep run by a script."""
    with open_sweep(server, design, workflow, node_id) as page:
        yield page
