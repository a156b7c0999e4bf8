"""Nothing else is needed: without a network and with an empty hub cache, the quick start runs from three files."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comfyui.server import REPOSITORY

pytestmark = pytest.mark.comfyui


def in_a_namespace_without_network(command: list[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Run a command where only the loopback device exists."""
    inside = f"ip link set lo up && exec {shlex.join(command)}"
    return subprocess.run(
        ["unshare", "-rn", "sh", "-c", inside], cwd=REPOSITORY, capture_output=True, text=True, timeout=limit_s
    )


def test_quick_start_needs_no_network(pocket_files: Path, tmp_path: Path) -> None:
    if not shutil.which("unshare") or in_a_namespace_without_network(["true"], 30).returncode:
        pytest.skip("this system lets nobody make a network namespace (unshare -rn)")
    command = [sys.executable, "-m", "tests.comfyui.offline", str(tmp_path / "base"), str(pocket_files)]
    done = in_a_namespace_without_network(command, 1200)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report == dict(network=False, status="success", error="", files=["offline_000000004.safetensors"], hub=[])
