"""A sweep as a node runs it: ComfyUI's models for the trainer's cells. Imported when the node first runs."""

from __future__ import annotations

import json
from typing import Any

from ..trainer.captions.prompts import called_up
from ..trainer.messages import UserError
from ..trainer.sweep.cells import SweepConfig, plan_cells
from ..trainer.sweep.run import SweepResult, sweep
from ..trainer.sweep.scores import Scores, as_json
from ..trainer.training.keeping.record import reference_photos
from ..trainer.training.keeping.results import Checkpoints
from . import host
from .core_sampler import CellRenderer, ClipVisionScorer

_RECOMMENDED = "recommended"


def chosen_step(choice: str, checkpoints: Checkpoints) -> int | None:
    """The step that the choice names, or None for the recommended one. Raises UserError for a step without a file."""
    choice = choice.strip()
    if choice in ("", _RECOMMENDED):
        return None
    steps = [checkpoint.step for checkpoint in checkpoints.checkpoints]
    if not choice.isdecimal() or int(choice) not in steps:
        raise UserError("sweep.no_such_step", choice=choice, steps=", ".join(map(str, steps)))
    return int(choice)


def run_sweep(
    checkpoints: Checkpoints,
    config: SweepConfig,
    model: Any,
    clip: Any,
    vae: Any,
    clip_vision: Any,
    progress: host.Progress,
) -> SweepResult:
    """Draw and judge all cells; `clip_vision` may be None."""
    bar = _CellBar(progress, len(plan_cells(checkpoints, config)), config.steps)
    prompts = called_up(config.prompts, subject=checkpoints.subject, trigger_word=checkpoints.trigger_word)
    renderer = CellRenderer(model, clip, vae, config, prompts=prompts, on_step=bar.on_step)
    return sweep(
        checkpoints,
        config,
        render=renderer.render,
        render_identity=renderer.identity,
        scorer=ClipVisionScorer(clip_vision, host.stop_if_cancelled) if clip_vision is not None else None,
        references=reference_photos(checkpoints.run_dir),
        cells_dir=checkpoints.run_dir / "sweep",
        progress=bar.on_cell,
        language=progress.language,
    )


def describe_scores(scores: Scores) -> tuple[str, str]:
    """The scores in sentences, and as JSON."""
    return "\n".join(host.say_message(message) for message in scores.messages()), json.dumps(as_json(scores))


class _CellBar:
    """One progress bar over all sampler steps of all cells; leaves the node when the user has pressed Cancel."""

    def __init__(self, progress: host.Progress, num_cells: int, steps_per_cell: int) -> None:
        self._progress = progress
        self._cells_done = 0
        self._steps_per_cell = steps_per_cell
        self._total = num_cells * steps_per_cell

    def on_cell(self, done: int, total: int) -> None:
        self._cells_done = done
        self._progress.show_or_stop(done * self._steps_per_cell, self._total)
        self._progress.write(host.say("host.cells", done=done, total=total), at_once=False)

    def on_step(self, step: int, preview: tuple | None) -> None:
        self._progress.show_or_stop(self._cells_done * self._steps_per_cell + step, self._total, preview)
