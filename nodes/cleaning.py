"""Cleaning in ComfyUI: the node's widgets and models as settings and tools, and what the node then shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..trainer.photos.cleaning.clean import clean_photos, none_left
from ..trainer.photos.cleaning.config import CleanConfig
from ..trainer.photos.cleaning.views import photo_views
from ..trainer.photos.edits import read_edits
from ..trainer.photos.photo import PhotoSet
from ..trainer.photos.report.sheet import before_after_sheet
from ..trainer.photos.report.text import describe
from . import host
from .host_photo_tools import clean_tools, needed_sockets
from .photo_views import as_json
from .widgets import parts_of


def needed_models(inputs: Mapping[str, Any]) -> list[str]:
    """The lazy sockets that the steps which are switched on want."""
    return needed_sockets(*parts_of(CleanConfig, inputs))


def clean(
    photos: PhotoSet, edits: str, inputs: Mapping[str, Any], progress: host.Progress
) -> tuple[PhotoSet, str, dict[str, list[Any]], str | None]:
    """The working copies, the report, what the node shows, and what keeps the graph from going on, if anything."""
    config, models = parts_of(CleanConfig, inputs)
    work_dir, by_hand = host.working_copies_dir(photos.folder), read_edits(edits)
    try:
        cleaned = clean_photos(
            photos, config, work_dir, tools=clean_tools(config, **models), edits=by_hand,
            progress=progress.show_photo_or_stop,
        )  # fmt: skip
    finally:
        host.give_back_memory()
    report = describe(cleaned, progress.language)
    progress.write(report)
    views = [as_json(view, progress.language) for view in photo_views(photos, cleaned, by_hand, work_dir)]
    picture = host.show_picture(before_after_sheet(cleaned), "working_copies")
    ui = {"images": [picture], "text": [report], "zimage_lora_photos": views, "zimage_lora_edits": [edits]}
    problem = none_left(cleaned)
    return cleaned, report, ui, host.say_message(problem) if problem else None
