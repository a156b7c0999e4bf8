"""What must never change: the bytes and times of a user's own files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.files import file_hash


def state_of(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, time and rights of everything in a folder; pipes, links and locked files are not opened."""
    state = {}
    for place, folders, names in os.walk(folder):
        for name in folders + names:
            path = Path(place, name)
            status = path.lstat()
            opened = stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
            state[str(path)] = (file_hash(path) if opened else "", status.st_mtime_ns, status.st_mode)
    return state


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Fails if anything in a folder is written, made, removed or given another time meanwhile."""
    before = state_of(folder)
    yield
    after = state_of(folder)
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    assert not changed, f"changed: {sorted(changed)}"
