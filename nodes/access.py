"""Access: which folders may be read when others than this computer's own user reach the server. Knows no ComfyUI.

On loopback whoever opens the canvas sits at the machine, and may read what the machine may read.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path


def listens_beyond_loopback(addresses: str) -> bool:
    """Whether other computers can reach a server that listens on these addresses (ComfyUI's `--listen`: `a,b,...`)."""
    return not all(_is_loopback(address.strip()) for address in addresses.split(","))


def may_be_read(folder: Path, allowed: Iterable[Path]) -> bool:
    """Whether a folder lies in one of the allowed ones, both as it is written and with all links followed.

    What does not even look allowed is not touched: no answer depends on whether it exists, and Windows asks no
    foreign computer (`\\\\server\\share`) for it.
    """
    written = Path(os.path.abspath(folder))
    roots = [(Path(os.path.abspath(root)), Path(os.path.realpath(root))) for root in allowed]
    if not any(written.is_relative_to(root) for places in roots for root in places):
        return False
    real = Path(os.path.realpath(written))
    return any(real.is_relative_to(root) for _, root in roots)


def folders_named_in(settings_path: Path) -> list[Path]:
    """The folders that a settings file names: one full path per line; empty lines and those with `#` are passed over.

    None for a file that is not there.
    """
    try:
        text = settings_path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return []
    lines = (line.strip().strip('"') for line in text.splitlines())
    paths = (Path(os.path.expanduser(line)) for line in lines if line and not line.startswith("#"))
    return [path for path in paths if path.is_absolute()]


def _is_loopback(address: str) -> bool:
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]").split("%")[0]).is_loopback
    except ValueError:  # an empty one means every address, and a name may mean any
        return False
