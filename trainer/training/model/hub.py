"""The model hub: a diffusers folder on this machine, or fetched with progress into the hub's cache. Reads no model."""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...messages import UserError

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes that are wanted, from several threads, one at a time."""

_WANTED = ("*.json", "tokenizer/*", "transformer/*", "text_encoder/*", "vae/*")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def local_folder(source: str | Path, progress: Progress | None = None) -> Path:
    """A diffusers folder on this machine; a hub id is fetched into the hub's cache, going on where it broke off.

    Raises UserError for neither; and, naming the reason and what to do, for an id that is unknown or gated, no network,
    a full disk.
    """
    if Path(source).is_dir():
        return Path(source)
    if not _HUB_ID.fullmatch(str(source)):
        raise UserError("base.file_missing", path=source)
    from huggingface_hub import snapshot_download

    def fetch() -> str:
        return snapshot_download(str(source), allow_patterns=list(_WANTED), tqdm_class=_bar_class(progress))

    return Path(_fetched(str(source), fetch))


def hub_file(repository: str, name: str, progress: Progress | None = None) -> Path:
    """One file of a hub repository, fetched if need be. Raises UserError as `local_folder` does."""
    from huggingface_hub import hf_hub_download

    return Path(_fetched(repository, lambda: hf_hub_download(repository, name, tqdm_class=_bar_class(progress))))


def _fetched(source: str, fetch: Callable[[], str]) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    # The library under the hub's own changes with its versions; its errors are those that the hub's own derive from.
    http_errors: Any = HfHubHTTPError.__bases__
    try:
        return fetch()
    except GatedRepoError as error:
        raise UserError("base.hub_gated", source=source) from error
    except RepositoryNotFoundError as error:
        raise UserError("base.hub_unknown", source=source) from error
    except (*http_errors, LocalEntryNotFoundError, OSError, RuntimeError) as error:  # RuntimeError: the hub's fast lane
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise UserError("base.hub_disk_full", source=source, folder=HF_HUB_CACHE) from error
        raise UserError("base.hub_unreachable", source=source, reason=_cause(error)) from error


def _cause(error: BaseException) -> str:
    """The first error of a chain, in one line: the hub's own wraps a refused connection."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())


def _bar_class(progress: Progress | None) -> type | None:
    """A tqdm that draws nothing and tells `progress` how many bytes there are; None, the hub's own, without one.

    Bars that count files stay silent.
    """
    from tqdm.auto import tqdm

    if progress is None:
        return None
    listener: Progress = progress

    told = threading.Lock()

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            # Newer versions count twice, what the network brought ("Downloading bytes") and what is on disk: ours.
            self._is_told = options.get("unit") == "B" and options.get("desc") != "Downloading bytes"
            options.pop("name", None)  # only the hub's own bars have one
            super().__init__(*args, **{**options, "file": _Nowhere(), "disable": False})

        def display(self, *args: Any, **options: Any) -> bool:
            return True

        def update(self, n: float | None = 1) -> bool | None:
            done = super().update(n)
            if self._is_told:
                with told:
                    listener(int(self.n), int(self.total or self.n))
            return done

    return Bar


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
