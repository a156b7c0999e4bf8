"""What every test run starts with: one thread, no network, and a closing count of the tests that were left out.

There is no `__init__.py` under tests/: with one, pytest would take the checkout's own (ComfyUI's way in) for a package
around it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest

# Before torch is imported anywhere: the same sums on every machine, and no model hub behind a test's back.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

TIERS = ("comfyui", "browser", "gpu")
_LEFT_OUT = pytest.StashKey[Counter]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        tiers = [tier for tier in TIERS if item.get_closest_marker(tier)]
        item.config.stash[_LEFT_OUT].update(tiers[-1:])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[_LEFT_OUT]
    if left_out:
        counts = ", ".join(f"{left_out[tier]} {tier}" for tier in TIERS if left_out[tier])
        terminalreporter.write_line(f"not run here: {counts} (`make test-comfyui` runs comfyui and browser)")
