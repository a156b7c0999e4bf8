"""The published package: the files that ComfyUI's registry would put into its archive."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def packed_files() -> list[str]:
    """What git knows or would take, without what .comfyignore names. Paths from the repository's root, with slashes."""
    left_out = _git_files("--ignored", "--exclude-from=.comfyignore")
    return sorted(name for name in _git_files("--exclude-standard") - left_out if (REPOSITORY / name).is_file())


def pack(path: Path) -> None:
    """Write the archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in packed_files():
            archive.write(REPOSITORY / name, name)


def _git_files(*options: str) -> set[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", *options]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout
    return set(filter(None, listed.decode().split("\0")))
