"""Fixtures and the skipping that the ComfyUI tests and the browser tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.comfyui.server import REPOSITORY, ComfyServer, comfyui_missing, pocket_base

POCKET = REPOSITORY / "pocket"


@pytest.fixture(scope="session")
def pocket_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pocket model as ComfyUI's three files."""
    from pocket.single_files import write_single_files

    folder = tmp_path_factory.mktemp("pocket")
    write_single_files(POCKET / "model", folder)
    return folder


@pytest.fixture(scope="session")
def server(pocket_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A running ComfyUI with our pack and the pocket model; one for all tests of a folder."""
    with pocket_base(tmp_path_factory.mktemp("comfyui"), pocket_files, POCKET) as running:
        yield running


def skip_without_comfyui(items: list[pytest.Item], folder: Path) -> None:
    """Skip the folder's tests where there is no ComfyUI, each with the same line."""
    reason = comfyui_missing()
    for item in items:
        if reason and folder in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def print_skipped(terminalreporter: pytest.TerminalReporter, folder: Path) -> None:
    """Say last how many of the folder's tests were skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    name = folder.relative_to(REPOSITORY).as_posix()
    if num_skipped := sum(report.nodeid.startswith(f"{name}/") for report in skipped):
        why = comfyui_missing() or "their reasons are above"
        terminalreporter.write_line(f"{num_skipped} tests in {name} were skipped: {why}", yellow=True)
