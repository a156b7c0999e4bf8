"""Checksums: whether a LoRA file still holds what was written. Reads bytes only, loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONTENT_KEY = "modelspec.hash_sha256"
"""The Stability model specification's key for the hash of everything behind a safetensors file's header."""
HEADER_KEY = "zimage_lora.header_sha256"
"""Our key for the hash of the header, that is of names, shapes, places and all other metadata."""
_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 100_000_000  # safetensors' own limit


def with_checksums(data: bytes, metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a safetensors file, given as bytes that hold this metadata, and the file's two hashes."""
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    stated = {**metadata, CONTENT_KEY: f"0x{hashlib.sha256(memoryview(data)[start:]).hexdigest()}"}
    header = {**json.loads(data[_LENGTH_BYTES:start]), "__metadata__": stated}
    return {**stated, HEADER_KEY: _header_hash(header)}


def is_whole(path: Path, *, thorough: bool) -> bool:
    """Whether a LoRA file has its header and its full length; if `thorough`, whether every byte is the one written.

    A file without hashes, which some other program wrote, is judged by its length alone.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > _LONGEST_HEADER_BYTES:
                return False
            header = json.loads(file.read(length))
            metadata = header.get("__metadata__", {})
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            if path.stat().st_size != _LENGTH_BYTES + length + max(ends, default=0):
                return False
            if HEADER_KEY in metadata and metadata[HEADER_KEY] != _header_hash(header):
                return False
            if not thorough or CONTENT_KEY not in metadata:
                return True
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return bool(metadata[CONTENT_KEY] == f"0x{digest.hexdigest()}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


def _header_hash(header: Mapping[str, Any]) -> str:
    """Over everything but the hash itself, in an order that no writer can change."""
    metadata = {name: value for name, value in header["__metadata__"].items() if name != HEADER_KEY}
    return hashlib.sha256(json.dumps({**header, "__metadata__": metadata}, sort_keys=True).encode()).hexdigest()
