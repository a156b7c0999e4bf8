"""Sweep views: what CheckpointSweep shows of a sweep, to the browser that queued it, to others, and after a reload."""

from __future__ import annotations

import json
from typing import Any

from ..trainer.files import slug, write_text_whole
from ..trainer.sweep.run import SweepResult
from ..trainer.sweep.scoring.photos import judged_by
from ..trainer.sweep.views import sweep_view
from . import host


def shown(result: SweepResult, choice: str, text: str, node_id: str, progress: host.Progress) -> dict[str, list[Any]]:
    """The node's `ui`. The view is also kept beside the cells, by node, so that a page finds it again: a graph that was
    queued from elsewhere has the same node ids, and every page hears where its view lies."""
    checkpoints = result.checkpoints
    view = sweep_view(
        result,
        choice=choice,
        place=host.show_output,
        photos=judged_by(checkpoints.run_dir).training,
        on_picture=host.stop_if_cancelled,
    )
    path = result.grid_path.parent / f"view_{slug(node_id)}.json"
    write_text_whole(path, json.dumps(view, ensure_ascii=False))
    file = host.show_output(path)
    progress.broadcast({"event": "Swept", "run": view["run"], "view": file})
    return {
        "images": [host.show_output(result.grid_path)],
        "text": [text],
        "zimage_lora_sweep": [view],
        "zimage_lora_sweep_file": [file],
    }
