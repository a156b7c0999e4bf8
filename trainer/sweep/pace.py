"""Pace: how long a picture of a sweep takes, as measured the last time, so that a long sweep is announced before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ..files import write_text_whole

_NAME = "pace.json"


def known_pace_s(cells_dir: Path, settings: Mapping[str, object]) -> float | None:
    """Seconds for each picture with these settings, or None where none was measured; a damaged record is none."""
    return _read(cells_dir).get(_key(settings))


def keep_pace(cells_dir: Path, settings: Mapping[str, object], seconds: float) -> None:
    """Keep what was measured. Raises UserError where it cannot be written."""
    known = {**_read(cells_dir), _key(settings): round(seconds, 3)}
    write_text_whole(cells_dir / _NAME, json.dumps(known))


def _read(cells_dir: Path) -> dict[str, float]:
    try:
        kept = json.loads((cells_dir / _NAME).read_text(encoding="utf-8"))
        return {str(key): float(seconds) for key, seconds in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _key(settings: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
