"""Pace: how long a picture of a sweep takes, as measured the last time, so that a long sweep is announced before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..files import write_text_whole

_NAME = "pace.json"


def known_pace_s(cells_dir: Path, settings: Mapping[str, object]) -> float | None:
    """Seconds for each picture with these settings, or None where none was measured; a damaged record is none."""
    try:
        kept = json.loads((cells_dir / _NAME).read_text(encoding="utf-8"))
        return float(kept[_key(settings)])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_pace(cells_dir: Path, settings: Mapping[str, object], seconds: float) -> None:
    """Keep what was measured. Raises UserError where it cannot be written."""
    write_text_whole(cells_dir / _NAME, json.dumps({_key(settings): round(seconds, 3)}))


def _key(settings: Mapping[str, object]) -> str:
    return json.dumps(settings, sort_keys=True)
