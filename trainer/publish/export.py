"""Export: the folder that is put on a hub: the LoRA with complete metadata, its pictures, and its card.

Written whole: the old folder or the new one. Nothing in it names a folder of this computer.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import safe_name, write_folder_whole
from ..lora_files.convert import folded_tensors
from ..lora_files.read import read_lora
from ..lora_files.standard import standard_lora
from ..messages import Message
from ..training.keeping.checksums import CONTENT_KEY, HEADER_KEY, with_checksums
from .card import CardFiles, write_card
from .config import PublishConfig
from .facts import Facts, read_facts
from .privacy import public_metadata, without_folders

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

_MAX_HEADER_BYTES = 1_000_000
"""What ComfyUI reads of a file to show its metadata."""
_THUMBNAIL_PX, _THUMBNAIL_QUALITY = 256, 80
_IMAGE_QUALITY = 92
CARD_NAME = "README.md"


@dataclass(frozen=True, kw_only=True)
class Published:
    """An exported folder."""

    folder: Path
    messages: tuple[Message, ...]
    cover_path: Path | None


def publish(
    lora_path: Path,
    config: PublishConfig,
    publish_dir: Path,
    *,
    images: Sequence[PIL.Image.Image] = (),
    grid: PIL.Image.Image | None = None,
    run_dir: Path | None = None,
    step: int | None = None,
    language: str = "en",
) -> Published:
    """Export a LoRA into a folder of its title below `publish_dir`; an export of that title is replaced.

    The first image is the cover. `run_dir` and `step` say which run and which of its steps the file is, None for one
    that was not made here. Raises UserError for a file that is no LoRA of Z-Image, and for a full disk.
    """
    raw = read_lora(lora_path)
    lora = standard_lora(raw)
    as_it_is = raw.tensors.keys() == lora.tensors.keys()
    tensors = dict(raw.tensors) if as_it_is else folded_tensors(lora)
    title = config.title.strip() or raw.metadata.get("modelspec.title", "").strip() or lora_path.stem
    facts = read_facts(raw.metadata, run_dir, step)
    names = [("cover.jpg" if index == 0 else f"image_{index + 1:02}.jpg") for index in range(len(images))]
    stem = safe_name(title.replace("/", "_").replace("\\", "_"))
    files = CardFiles(
        lora=f"{stem}.safetensors",
        images=tuple(zip(names, _prompts(config, facts, len(images)))),
        grid="grid.jpg" if grid is not None else None,
    )
    metadata, dropped = _metadata(raw.metadata, config, title, facts, images[0] if images else None, tensors)
    card = without_folders(write_card(config, title, facts, files, language))

    def write(folder: Path) -> None:
        (folder / files.lora).write_bytes(_sealed(tensors, metadata))
        read_lora(folder / files.lora)
        for image, name in zip(images, names):
            image.convert("RGB").save(folder / name, quality=_IMAGE_QUALITY)
        if grid is not None and files.grid:
            grid.convert("RGB").save(folder / files.grid, quality=_IMAGE_QUALITY)
        (folder / CARD_NAME).write_text(card, encoding="utf-8")

    folder = publish_dir / stem
    write_folder_whole(folder, write)
    said = [Message("publish.done", {"folder": folder, "num": len(images)})]
    said += [Message("publish.dropped", {"names": ", ".join(dropped)})] if dropped else []
    said += [] if images else [Message("publish.no_cover")]
    return Published(folder=folder, messages=tuple(said), cover_path=folder / names[0] if names else None)


def _prompts(config: PublishConfig, facts: Facts, num: int) -> list[str]:
    """A prompt for every picture; pictures beyond the last line have the trigger."""
    lines = [line.strip() for line in config.prompts if line.strip()]
    return (lines + [facts.words.prompt_prefix] * num)[:num]


def _metadata(
    metadata: Mapping[str, str],
    config: PublishConfig,
    title: str,
    facts: Facts,
    cover: PIL.Image.Image | None,
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, str], list[str]]:
    """The published file's metadata, and what of the old had to go for the header to stay readable."""
    kept = {name: value for name, value in metadata.items() if name not in (CONTENT_KEY, HEADER_KEY)}
    stated = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "z-image-turbo/lora" if facts.is_turbo else "z-image/lora",
        **public_metadata(kept),
        "format": "pt",
        "modelspec.title": title,
        "modelspec.license": config.licence,
        "modelspec.tags": "lora, z-image, text-to-image",
        "modelspec.usage_hint": f"strength 0.7 to 1.0, prompt: {facts.words.prompt_prefix or '...'}, ...",
    }
    said = {
        "modelspec.author": without_folders(config.author.strip()),
        "modelspec.description": without_folders("\n".join(config.description).strip()),
        "modelspec.trigger_phrase": stated.get("modelspec.trigger_phrase", "") or facts.words.prompt_prefix,
        "modelspec.thumbnail": _thumbnail(cover) if cover is not None else "",
    }
    stated |= {name: value for name, value in said.items() if value}
    dropped = []
    while len(_header(tensors, stated)) > _MAX_HEADER_BYTES:
        largest = max(
            (name for name in stated if not name.startswith("modelspec.")), key=lambda name: len(stated[name])
        )
        dropped.append(largest)
        del stated[largest]
    return stated, dropped


def _thumbnail(cover: PIL.Image.Image) -> str:
    """A small JPEG as a data URL."""
    small = cover.convert("RGB")
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=_THUMBNAIL_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What stands before the numbers in the file, about: the two hashes come on top."""
    entries = {name: {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [10**9, 10**9]}
               for name, tensor in tensors.items()}  # fmt: skip
    return json.dumps({"__metadata__": metadata, **entries}, ensure_ascii=False).encode() + b" " * 256


def _sealed(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    from safetensors.torch import save

    return bytes(save(tensors, metadata=with_checksums(save(tensors, metadata=metadata), metadata)))
