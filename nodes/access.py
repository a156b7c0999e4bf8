"""Access: which folders may be read when others than this computer's own user reach the server, and which pages may
ask our routes. Knows no ComfyUI.

On loopback whoever opens the canvas sits at the machine, and may read what the machine may read.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from collections.abc import Iterable, Mapping
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


def is_own_page(headers: Mapping[str, str], named_origin: str | None) -> bool:
    """Whether a request comes from the server's own pages, from one of `named_origin`, or from no page at all.

    Browsers say so themselves where the page was loaded safely (`Sec-Fetch-Site`, which no proxy changes). Elsewhere
    the page's `Origin` has to be the host that was asked, as the browser or the proxy before us names it.
    """
    origin = headers.get("Origin")
    if named_origin and origin == named_origin:
        return True
    if site := headers.get("Sec-Fetch-Site"):
        return site in ("same-origin", "none")
    if origin is None:
        return True
    asked = {headers.get("Host"), headers.get("X-Forwarded-Host")}
    return _host_of(origin) in {_host_of(f"//{host}") for host in asked if host}


def _host_of(url: str) -> tuple[str | None, int | None]:
    """Host and port; the usual port of a protocol is none. A text that is no address has neither."""
    try:
        parts = urllib.parse.urlsplit(url.lower())
        return parts.hostname, None if parts.port in (80, 443) else parts.port
    except ValueError:
        return None, -1


def _is_loopback(address: str) -> bool:
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]").split("%")[0]).is_loopback
    except ValueError:  # an empty one means every address, and a name may mean any
        return False
