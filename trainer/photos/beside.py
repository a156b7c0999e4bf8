"""Text files beside photos: which of them hold captions. Looks at names only and opens none.

Beside `a.jpg` that is `a.txt`, else `a.caption` (kohya's trainers), else `a.jpg.txt` (Windows hides suffixes). For
several photos it is `metadata.jsonl` (Hugging Face), in the folder of a photo or above, and `default.txt` (AI Toolkit).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

METADATA_NAME = "metadata.jsonl"
_DEFAULT_NAME = "default.txt"
_ENDINGS = (".txt", ".caption")


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """What there is for one photo, the strongest first; whether these can be read is another question."""

    own: tuple[Path, ...]
    """For this photo alone."""
    metadata: tuple[Path, ...]
    """For several: the file of the photo's own folder before those of the folders above."""
    default: Path | None
    """For all photos of its folder that have no other."""

    @property
    def all(self) -> tuple[Path, ...]:
        """Every one of them."""
        return (*self.own, *self.metadata, *([self.default] if self.default else []))


def text_files_of(photo_paths: Iterable[Path], folder: Path) -> dict[Path, TextFiles]:
    """The text files of each photo of a folder and its subfolders. Never raises."""
    names = _FolderNames()
    return {path: _text_files(path, folder, names) for path in photo_paths}


class _Names:
    """The names in one folder, as they are and as they are looked for."""

    def __init__(self, place: Path) -> None:
        try:
            found = sorted(os.listdir(place))
        except OSError:  # gone or forbidden: so is what lies in it
            found = []
        self._place = place
        self._exact = {_composed(name): name for name in found}
        self._folded = {_composed(name).casefold(): name for name in found}
        self._photo_stems = {_stem(name) for name in found if not name.lower().endswith(_ENDINGS)}

    def find(self, name: str) -> Path | None:
        """The file of a name. Capitals may differ as on Windows, unless the file belongs to another photo."""
        found = self._exact.get(_composed(name))
        if found is None:
            found = self._folded.get(_composed(name).casefold())
            if found is not None and _stem(found) != _stem(name) and _stem(found) in self._photo_stems:
                found = None
        return None if found is None else self._place / found

    def has_photo(self, stem: str) -> bool:
        return stem in self._photo_stems


class _FolderNames(dict[Path, _Names]):
    """The names of each folder, listed when first asked for."""

    def __missing__(self, place: Path) -> _Names:
        self[place] = _Names(place)
        return self[place]


def _text_files(path: Path, folder: Path, names: _FolderNames) -> TextFiles:
    here = names[path.parent]
    own = [here.find(path.stem + ending) for ending in _ENDINGS] + [here.find(f"{path.name}.txt")]
    above = [path.parent]
    while above[-1] != folder and above[-1].is_relative_to(folder):
        above.append(above[-1].parent)
    metadata = [names[place].find(METADATA_NAME) for place in above]
    return TextFiles(
        own=tuple(file for file in own if file),
        metadata=tuple(file for file in metadata if file),
        default=None if here.has_photo(Path(_DEFAULT_NAME).stem) else here.find(_DEFAULT_NAME),
    )


def _composed(name: str) -> str:
    """Macs store letters and their accents apart."""
    return unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    return os.path.splitext(_composed(name))[0]
