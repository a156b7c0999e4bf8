"""What the tests in a browser share; skips them where there is no ComfyUI, and says how many at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comfyui.fixtures import pocket_files, print_skipped, server, skip_without_comfyui

__all__ = ["pocket_files", "server"]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_comfyui(items, HERE)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield  # pytest's own summary first: the count comes last
    print_skipped(terminalreporter, HERE)


@pytest.fixture(scope="module", params=["classic", "new"])
def design(request: pytest.FixtureRequest) -> str:
    """The node design."""
    return str(request.param)
