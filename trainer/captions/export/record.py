"""The record in an exported folder: that it is ours, what was written there, and whether it may be replaced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import file_hash
from ...messages import UserError, name_some

RECORD_NAME = "zimage_lora_dataset.json"
MUSUBI_CACHE = "musubi_cache"
_VERSION = 1
_CACHES = {
    MUSUBI_CACHE, "_latent_cache", "_t_e_cache", "_clip_vision_cache", "_controls", ".aitk_size.json", ".thumbs",
    ".DS_Store", "Thumbs.db", "desktop.ini",
}  # fmt: skip
"""What trainers and file managers put into the folder, and make anew."""


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What was exported."""

    subject: str
    fingerprint: str
    """The dataset's."""
    names: tuple[str, ...]
    """The pictures', in the dataset's order."""


def write_record(record: ExportRecord, folder: Path) -> None:
    """Put the record beside the files that are in the folder, which it names with their SHA-256."""
    files = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
    plain = {
        "made_by": "Z-Image LoRA Trainer",
        "version": _VERSION,
        "subject": record.subject,
        "fingerprint": record.fingerprint,
        "photos": record.names,
        "files": files,
    }
    (folder / RECORD_NAME).write_bytes(json.dumps(plain, ensure_ascii=False, indent=1).encode())


def check_may_be_replaced(folder: Path) -> ExportRecord | None:
    """What the folder holds; None if there is nothing in it.

    Raises UserError for a folder that we have not exported, and for one with files that are not as we wrote them.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        plain = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        record, files = _read(plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError("captions.export_not_ours", folder=folder) from error
    there = {path.name for path in folder.iterdir()} - {RECORD_NAME} - _CACHES
    others = sorted(name for name in there if name not in files or not _is_as_written(folder / name, files[name]))
    if others:
        raise UserError("captions.export_changed", folder=folder, count=len(others), names=name_some(others))
    return record if there == files.keys() else None


def _is_as_written(path: Path, content_hash: str) -> bool:
    return path.is_file() and file_hash(path) == content_hash


def _read(plain: Any) -> tuple[ExportRecord, dict[str, str]]:
    if plain["version"] != _VERSION:
        raise ValueError(plain["version"])
    names = tuple(str(name) for name in plain["photos"])
    return ExportRecord(subject=plain["subject"], fingerprint=plain["fingerprint"], names=names), dict(plain["files"])
