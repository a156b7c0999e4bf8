"""The boxes of a HEIF or AVIF file: which items it holds, where their bytes lie and what is said about them.

Decodes nothing. ISO/IEC 14496-12 (boxes, `iloc`, `iinf`, `iref`) and 23008-12 (`iprp`, `ispe`, `irot`, `imir`, `auxC`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_LARGEST_META = 16 << 20
"""Bytes; a phone's are a few thousand. Some writers put small items into it."""
Size = tuple[int, int]


class BrokenFile(ValueError):
    """The boxes contradict themselves, or lead out of the file."""


@dataclass(kw_only=True)
class Item:
    """One picture, tile or block of data inside the file."""

    kind: str
    """`hvc1`, `av01`, `grid`, `Exif` ..."""
    properties: list[tuple[str, bytes]] = field(default_factory=list)
    """Kind and content of what is said about it, in the order in which transformations are to be applied."""
    references: dict[str, list[int]] = field(default_factory=dict)
    """Ids of the items it refers to: `dimg` what it is put together from, `auxl` what it belongs to."""
    in_meta: bool = False
    """Whether its bytes lie in the `idat` box instead of the file."""
    extents: list[tuple[int, int]] = field(default_factory=list)
    """(first byte, length) of its parts."""

    def first(self, kind: str) -> bytes | None:
        """The content of its first property of a kind."""
        return next((content for name, content in self.properties if name == kind), None)

    @property
    def size(self) -> Size:
        """(width, height) before rotating and cropping. Raises BrokenFile if the file does not say."""
        content = self.first("ispe")
        if content is None or len(content) < 12:
            raise BrokenFile("no size")
        width_px, height_px = struct.unpack_from(">II", content, 4)
        if not width_px or not height_px:
            raise BrokenFile("no area")
        return width_px, height_px


@dataclass(frozen=True, kw_only=True)
class Items:
    """All items of a file."""

    file: BinaryIO
    primary_id: int
    by_id: dict[int, Item]
    idat: bytes = b""

    @property
    def primary(self) -> Item:
        """The picture that the file shows; not always the first."""
        return self.item(self.primary_id)

    def item(self, item_id: int) -> Item:
        """An item by its number. Raises BrokenFile if there is none."""
        if item_id not in self.by_id:
            raise BrokenFile(f"no item {item_id}")
        return self.by_id[item_id]

    def content(self, item: Item) -> bytes:
        """An item's bytes. Raises BrokenFile where the file is cut off."""
        source: BinaryIO = io.BytesIO(self.idat) if item.in_meta else self.file
        end = source.seek(0, io.SEEK_END)
        if any(not length or first + length > end for first, length in item.extents):
            raise BrokenFile("cut off")
        if not 0 < sum(length for _, length in item.extents) <= end:
            raise BrokenFile("no data, or the same data many times")
        parts = []
        for first, length in item.extents:
            source.seek(first)
            parts.append(source.read(length))
        return b"".join(parts)


def is_bmff(beginning: bytes) -> bool:
    """Whether a file that begins like this consists of such boxes."""
    return beginning[4:8] == b"ftyp"


def read_items(file: BinaryIO) -> Items:
    """What a file holds, from its `meta` box alone. Raises BrokenFile, or struct.error where a box is too short."""
    meta = dict(_boxes(_meta(file)[4:]))
    if "pitm" not in meta or "iinf" not in meta or "iloc" not in meta:
        raise BrokenFile("no pictures")
    pitm = _Fields(meta["pitm"])
    primary_id = pitm.number(2 if pitm.version == 0 else 4)
    by_id = dict(_kinds(_Fields(meta["iinf"])))
    _add_places(_Fields(meta["iloc"]), by_id)
    _add_properties(meta.get("iprp", b""), by_id)
    if "iref" in meta:
        _add_references(_Fields(meta["iref"]), by_id)
    return Items(file=file, primary_id=primary_id, by_id=by_id, idat=meta.get("idat", b""))


class _Fields:
    """Big-endian numbers one after the other, after a box's version and flags."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0
        self.version = self.number(1)
        self.flags = self.number(3)

    def number(self, num_bytes: int) -> int:
        end = self._at + num_bytes
        if end > len(self._content):
            raise BrokenFile("a box is too short")
        value = int.from_bytes(self._content[self._at : end], "big")
        self._at = end
        return value

    def rest(self) -> bytes:
        return self._content[self._at :]


def _meta(file: BinaryIO) -> bytes:
    end, position = file.seek(0, io.SEEK_END), 0
    while position + 8 <= end:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0] if position + 16 <= end else 0
        elif size == 0:
            size = end - position
        if size < 8:
            break
        if kind == b"meta":
            if size > _LARGEST_META or position + size > end:
                break
            return file.read(position + size - file.tell())
        position += size
    raise BrokenFile("no list of pictures")


def _boxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", content, position + 8)[0], 16
        elif size == 0:
            size = len(content) - position
        if size < head or position + size > len(content):
            raise BrokenFile("a box leads out of its file")
        yield kind.decode("latin-1"), content[position + head : position + size]
        position += size


def _kinds(iinf: _Fields) -> Iterator[tuple[int, Item]]:
    iinf.number(2 if iinf.version == 0 else 4)  # how many; the boxes themselves say it too
    for kind, content in _boxes(iinf.rest()):
        entry = _Fields(content)
        if kind == "infe" and entry.version >= 2:
            item_id = entry.number(2 if entry.version == 2 else 4)
            entry.number(2)  # protection
            yield item_id, Item(kind=entry.number(4).to_bytes(4, "big").decode("latin-1"))


def _add_places(iloc: _Fields, by_id: dict[int, Item]) -> None:
    sizes = iloc.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if iloc.version in (1, 2) else 0
    for _ in range(iloc.number(2 if iloc.version < 2 else 4)):
        item = by_id.get(iloc.number(2 if iloc.version < 2 else 4), Item(kind="unknown"))
        method = iloc.number(2) & 15 if iloc.version in (1, 2) else 0
        elsewhere = iloc.number(2)  # 0 is this file
        base = iloc.number(base_size)
        extents = []
        for _ in range(iloc.number(2)):
            iloc.number(index_size)
            first = base + iloc.number(offset_size)
            extents.append((first, iloc.number(length_size)))
        if method in (0, 1) and not elsewhere:
            item.in_meta, item.extents = method == 1, extents


def _add_properties(iprp: bytes, by_id: dict[int, Item]) -> None:
    known: list[tuple[str, bytes]] = []
    for kind, content in _boxes(iprp):
        if kind == "ipco":
            known = list(_boxes(content))
        elif kind == "ipma":
            ipma = _Fields(content)
            wide = ipma.flags & 1
            for _ in range(ipma.number(4)):
                item = by_id.get(ipma.number(2 if ipma.version < 1 else 4), Item(kind="unknown"))
                for _ in range(ipma.number(1)):
                    index = ipma.number(2) & 0x7FFF if wide else ipma.number(1) & 0x7F
                    if 0 < index <= len(known):
                        item.properties.append(known[index - 1])


def _add_references(iref: _Fields, by_id: dict[int, Item]) -> None:
    id_size = 2 if iref.version == 0 else 4
    for kind, content in _boxes(iref.rest()):
        reference = _Fields(bytes(4) + content)
        item = by_id.get(reference.number(id_size), Item(kind="unknown"))
        targets = [reference.number(id_size) for _ in range(reference.number(2))]
        item.references.setdefault(kind, []).extend(targets)
