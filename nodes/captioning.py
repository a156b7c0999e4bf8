"""Captioning in ComfyUI: the node's widgets and its CLIP as settings and captioner, and what the node then shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..trainer.captions.caption import caption_photos, photos_to_look_at
from ..trainer.captions.config import CaptionConfig
from ..trainer.captions.dataset import Dataset
from ..trainer.captions.edits import read_caption_edits
from ..trainer.captions.views import small_pictures
from ..trainer.photos.memo import Memo
from ..trainer.photos.photo import PhotoSet
from . import host
from .caption_views import findings_json, rows_json
from .core_tokens import TokenCounter
from .host_captioner import clip_captioner
from .live import captions_summary, captions_text
from .widgets import config_of


def needed_models(photos: PhotoSet, edits: str, inputs: Mapping[str, Any]) -> list[str]:
    """The lazy sockets that are wanted: `clip`, where it is connected and has a say in any caption."""
    widgets = {name: value for name, value in inputs.items() if name != "clip"}
    if "clip" not in inputs:
        return []
    wanted = photos_to_look_at(photos, config_of(CaptionConfig, widgets), read_caption_edits(edits))
    return ["clip"] if wanted else []


def caption(
    photos: PhotoSet, edits: str, clip: Any, widgets: Mapping[str, Any], progress: host.Progress
) -> tuple[Dataset, dict[str, list[Any]]]:
    """The photos with their captions, and what the node shows."""
    by_hand = read_caption_edits(edits)
    try:
        dataset = caption_photos(
            photos,
            config_of(CaptionConfig, widgets),
            edits=by_hand,
            captioner=None if clip is None else clip_captioner(clip),
            memo=Memo(host.memo_dir()),
            count_tokens=TokenCounter(),
            progress=progress.show_photo_or_stop,
        )
    finally:
        if clip is not None:
            host.give_back_memory()
    small_paths = small_pictures(photos.photos, host.output_dir() / "thumbs", progress.show_photo_or_stop)
    progress.write(captions_summary(dataset, progress.language))
    return dataset, {
        "text": [captions_text(dataset, progress.language)],
        "zimage_lora_captions": rows_json(dataset, by_hand, small_paths),
        "zimage_lora_caption_findings": findings_json(dataset.findings, progress.language),
        "zimage_lora_caption_edits": [edits],
    }
