"""A sweep as a node runs it: ComfyUI's models for the trainer's cells. Imported when the node first runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..trainer.messages import UserError
from ..trainer.photos.memo import Memo
from ..trainer.sweep.cells import SweepConfig, plan_cells, prompts_of
from ..trainer.sweep.run import SweepResult, sweep
from ..trainer.sweep.scores import Scores, as_json
from ..trainer.sweep.scoring.judge import Judging
from ..trainer.sweep.scoring.photos import judged_by
from ..trainer.sweep.soup import with_soup
from ..trainer.training.keeping.results import SOUP_STEP, Checkpoints
from . import host
from .core_lora import check_trained_file
from .core_sampler import CellRenderer
from .host_faces import face_detector
from .host_scorers import scorer_for
from .widgets import parts_of

_RECOMMENDED, _SOUP = "recommended", "soup"


def check_choice(choice: str, checkpoints: Checkpoints, soup_last: int) -> None:
    """Raise UserError for a choice that this sweep will not have, before anything is loaded for it."""
    will_mix = soup_last > 1 and len(checkpoints.checkpoints) > 1
    if not (will_mix and choice.strip() == _SOUP):
        with_choice(checkpoints, choice)


def with_choice(checkpoints: Checkpoints, choice: str) -> Checkpoints:
    """The checkpoints with the one chosen that the choice names: a step, soup, or recommended for what evidence says.

    Raises UserError for one without a file.
    """
    choice = choice.strip()
    if choice in ("", _RECOMMENDED):
        return checkpoints
    known = {_name_of(checkpoint.step): checkpoint.step for checkpoint in checkpoints.checkpoints}
    if choice not in known:
        raise UserError("sweep.no_such_step", choice=choice, steps=", ".join(known))
    return checkpoints.choosing(known[choice])


def _name_of(step: int) -> str:
    return _SOUP if step == SOUP_STEP else str(step)


def run_sweep(
    checkpoints: Checkpoints, inputs: Mapping[str, Any], texts: Mapping[str, str], progress: host.Progress
) -> SweepResult:
    """Draw and judge all cells with the node's widgets and models. `texts` go into the grid's PNG."""
    config, models = parts_of(SweepConfig, inputs)
    checkpoints = with_soup(checkpoints, config.soup_last)
    for checkpoint in checkpoints.checkpoints:
        if checkpoint.soup_of:
            check_trained_file(checkpoint.path)
    cells = plan_cells(checkpoints, config)
    bar = _CellBar(progress, len(cells), config.steps)
    prompts = prompts_of(cells)
    renderer = CellRenderer(
        models["model"], models["clip"], models["vae"], config, prompts=prompts, on_step=bar.on_step
    )
    return sweep(
        checkpoints,
        config,
        render=renderer.render,
        render_identity=renderer.identity,
        judging=Judging(
            photos=judged_by(checkpoints.run_dir),
            scorer=scorer_for(models.get("clip_vision")),
            detector=face_detector(models.get("face_detection_model")),
            memo=Memo(host.memo_dir()),
            on_picture=host.stop_if_cancelled,
        ),
        cells_dir=checkpoints.run_dir / "sweep",
        progress=bar.on_cell,
        grid_texts=texts,
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

    def on_cell(self, done: int, total: int, left_s: float | None) -> None:
        self._cells_done = done
        self._progress.show_or_stop(done * self._steps_per_cell, self._total)
        text = host.say("host.cells", done=done, total=total)
        if left_s:
            text += " · " + host.say("host.minutes_left", minutes=max(1, round(left_s / 60)))
        self._progress.write(text, at_once=False)

    def on_step(self, step: int, preview: tuple | None) -> None:
        self._progress.show_or_stop(self._cells_done * self._steps_per_cell + step, self._total, preview)
