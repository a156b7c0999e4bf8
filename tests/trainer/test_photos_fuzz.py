"""The loader meets changed bytes of every format for some seconds; the slow test for minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def fuzz(seconds: float, seed: int) -> None:
    """Fuzz in a process of its own, so that its memory is counted alone and its end would not be ours."""
    command = [sys.executable, "-m", "tests.trainer.fuzz_photos", "--minutes", str(seconds / 60), "--seed", str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_nothing_escapes_from_changed_files_in_five_seconds() -> None:
    fuzz(5, seed=2)


@pytest.mark.slow
def test_nothing_escapes_from_changed_files_in_ten_minutes() -> None:
    fuzz(600, seed=3)
