"""Memo: findings kept on disk under a key of everything they depend on, so that nothing is worked out twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..files import write_text_whole


class Memo:
    """JSON values in a folder, one small file each. Without a folder nothing is kept. Safe from several threads."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, *key: object) -> Any | None:
        """What was put under this key, or None. A damaged file counts as nothing."""
        if self._folder is None:
            return None
        try:
            return json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, value: Any, *key: object) -> None:
        """Keep a JSON value. Raises UserError for a full disk or a folder that cannot be written."""
        if self._folder is not None:
            write_text_whole(self._path(key), json.dumps(value, ensure_ascii=False))

    def _path(self, key: tuple[object, ...]) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.json"
