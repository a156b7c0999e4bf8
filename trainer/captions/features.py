"""Features: what is unusual in a photo as names of folders tell it, and as single words. Looks at no pixels."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ..photos.photo import Photo
from .faceless import says_faceless

_BETWEEN = re.compile(r"[,;，；、\n]+")
_ENGLISH = re.compile(r"(?:with|without|wearing|holding|carrying)\s+\S.*", re.IGNORECASE)
_CHINESE = re.compile(
    r"(?:带着|带有|戴着|穿着|扎着|梳着|拿着|抱着|披着|没有|没戴|没穿|扎|梳|穿(?!越|搭|插|行|梭|孔)).+"
    r"|戴.*(?:镜|帽|罩|耳|链|巾|盔|箍|带|面具|手套|表|戒|假发|花|冠).*"  # 戴 is also a family name
)
_NUMBERED = re.compile(r"[\s_.-]*(?:\(\d+\)|（\d+）|(?<=[\s_.-])\d+)$")


@dataclass(frozen=True, kw_only=True)
class FolderWord:
    """What the folders a photo lies in say of it."""

    feature: str = ""
    """What is unusual, as the folders' names say it; empty for nothing."""
    is_faceless: bool = False
    """Whether a folder is called `without face` or the like."""


NO_WORD = FolderWord()


def folder_word(photo: Photo, folder: Path) -> FolderWord:
    """What the subfolders between `folder` and a photo say: `with ponytail/`, `带着眼镜/`, `without face/`.

    Names that do not begin like that (`2024 holiday`, `with` alone, names of people) say nothing.
    """
    if not photo.source_path.is_relative_to(folder):
        return NO_WORD
    names = [_as_words(part) for part in photo.source_path.relative_to(folder).parts[:-1]]
    features = [name for name in names if not says_faceless(name) and _says_feature(name)]
    return FolderWord(feature=", ".join(features), is_faceless=any(map(says_faceless, names)))


def split_features(text: str) -> tuple[str, ...]:
    """The single features of a text, which commas, semicolons and lines part; each once, none empty."""
    parts = (" ".join(part.split()).strip(" .。") for part in _BETWEEN.split(text))
    return tuple(dict.fromkeys(part for part in parts if part))


def _as_words(name: str) -> str:
    """A folder's name as people would say it: `with_ponytail (2)` is `with ponytail`."""
    plain = unicodedata.normalize("NFC", name).replace("_", " ")
    plain = re.sub(r"^(\w+)-(?=\w)", r"\1 ", plain)  # with-ponytail; a later hyphen belongs to its word
    return " ".join(_NUMBERED.sub("", plain).split())


def _says_feature(name: str) -> bool:
    return bool(_ENGLISH.fullmatch(name) or _CHINESE.fullmatch(name))
