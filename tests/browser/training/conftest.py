"""A page with a training on it, for the tests of its panel; each file has a workflow of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.canvas import show_workflow
from tests.browser.sweep_canvas import open_design
from tests.browser.training_canvas import look_at, training_id
from tests.comfyui.server import ComfyServer


@pytest.fixture(scope="module")
def node_id(server: ComfyServer, workflow: dict[str, Any]) -> str:
    return training_id(server, workflow)


@pytest.fixture(scope="module")
def page(server: ComfyServer, design: str, workflow: dict[str, Any], node_id: str) -> Iterator[Any]:
    """A page of that design with the workflow open."""
    with open_design(server, design) as page:
        show_workflow(page, workflow)
        look_at(page, node_id)
        yield page
