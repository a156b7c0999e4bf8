"""Kinds of base model: Turbo, De-Turbo or Z-Image base, by what a model says about itself. Reads no weights.

The three have the same tensors of the same shapes, so only words can tell them apart: a file's metadata, the hub id
that a folder was fetched from, and, as a mere hint, the name that somebody gave to the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["turbo", "deturbo", "base", "unknown"]
KIND_NAMES = {"turbo": "Z-Image-Turbo", "deturbo": "Z-Image-De-Turbo", "base": "Z-Image (base)"}
_METADATA_KEYS = ("modelspec.architecture", "modelspec.title", "modelspec.implementation", "base_model", "general.name")
_PLAIN_NAMES = ("zimage", "zimagebase")
_FORMAT_WORDS = re.compile(r"bf16|fp16|fp32|float\d*|fp8|e4m3fn|e5m2|scaled|mixed|int8|convrot|tensorwise|rowwise|v\d+")
_CACHED_HUB_ID = re.compile(r"models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)")


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What a base model seems to be; `by_name` where nothing but the file's own name says so."""

    kind: Kind = "unknown"
    by_name: bool = False


def recognise(source: str | Path, metadata: Mapping[str, str], folder: Path | None = None) -> Recognised:
    """What kind of base a file, a diffusers folder (`folder`, holding `transformer/`) or a hub id is."""
    stated = [metadata[key] for key in _METADATA_KEYS if key in metadata]
    # A file may call itself Z-Image for the family's sake, so that alone says nothing; a hub id is exact.
    if kind := _first(stated, ()):
        return Recognised(kind=kind)
    if kind := _first(_origins(source, folder), _PLAIN_NAMES):
        return Recognised(kind=kind)
    if kind := _first([Path(source).stem if folder is None else Path(source).name], _PLAIN_NAMES):
        return Recognised(kind=kind, by_name=True)
    return Recognised()


def _first(texts: Iterable[str], plain_names: tuple[str, ...]) -> Kind | None:
    return next((kind for text in texts if (kind := _kind_in(text, plain_names))), None)


def _kind_in(text: str, plain_names: tuple[str, ...]) -> Kind | None:
    """The kind that a name speaks of: `Z-Image-De-Turbo`, `z_image_turbo_bf16`, `Z-Image`."""
    words = re.sub(r"[^a-z0-9]", "", text.lower())
    if "deturbo" in words or "dedistill" in words:
        return "deturbo"
    if "turbo" in words:
        return "turbo"
    return "base" if "zimagebase" in words or _FORMAT_WORDS.sub("", words) in plain_names else None


def _origins(source: str | Path, folder: Path | None) -> list[str]:
    """The names under which a diffusers folder was fetched: the hub id, its place in the cache, its own memory."""
    if folder is None:
        return []
    told = [str(folder), "" if Path(source).exists() else str(source)]
    for path in (folder / "model_index.json", folder / "transformer" / "config.json"):
        try:
            told.append(str(json.loads(path.read_text(encoding="utf-8")).get("_name_or_path", "")))
        except (OSError, ValueError, AttributeError):
            continue
    cached = [found["name"] for text in told for found in _CACHED_HUB_ID.finditer(text)]
    return cached + [re.split(r"[/\\]", text)[-1] for text in told[1:]]
