"""What a JPEG's markers tell before it is decoded: whether its decoder must keep everything, and how often it starts.

ITU-T T.81, Annex B. Decodes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""What ends a scan: not a stuffed 0xff, not a restart, not filling."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SCAN, _END = 0xDA, 0xD9


def coefficient_bytes(beginning: bytes) -> float:
    """Bytes per pixel that a JPEG's decoder keeps until the last scan, from the file's beginning; 0 for one scan."""
    kept, num_components, progressive = 0.0, 0, False
    for kind, content in _segments(beginning):
        if kind in _FRAMES and len(content) > 5:
            num_components, progressive = content[5], kind in _PROGRESSIVE
            kept = _all_coefficients(content)
        elif kind == _SCAN:
            single = not progressive and content and content[0] == num_components
            return 0.0 if single else kept
    return kept


def _all_coefficients(frame: bytes) -> float:
    """Two bytes for each number of each component; the colours often have fewer numbers than the picture pixels."""
    factors = [(byte >> 4, byte & 15) for byte in frame[7 : 6 + 3 * frame[5] : 3]]
    across, down = (max([1, *sides]) for sides in zip((1, 1), *factors))
    return 2 * sum(one_across * one_down for one_across, one_down in factors) / (across * down)


def num_scans(data: bytes, most: int) -> int:
    """How many scans a JPEG has; counting ends beyond `most`."""
    found = 0
    for kind, _ in _segments(data):
        found += kind == _SCAN
        if kind == _END or found > most:
            break
    return found


def beginning_of(file: BinaryIO) -> bytes:
    """A JPEG's bytes up to its first scan, or as many as a profile, a preview and all notes of a phone may take."""
    file.seek(0)
    return file.read(4 << 20)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while found := _MARKER.search(data, position):
        kind, position = found.group()[-1], found.end()
        if kind in (0xD8, 0x01):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        yield kind, data[position + 2 : position + min(length, 64)]
        if kind == _END:
            return
        position += length
