"""A sweep: every cell rendered once, judged, and laid out in a grid. Knows no sampler: the host hands one over."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
from PIL.PngImagePlugin import PngInfo

from ..files import file_hash, remove_unfinished, write_text_whole, write_whole
from ..messages import UserError
from ..training.keeping.results import Checkpoints
from .cells import Cell, RenderedCell, SweepConfig, plan_cells
from .grid import draw_grid, legend
from .pace import keep_pace, known_pace_s
from .scores import Scores, as_json, score_table
from .scoring.judge import Judging, judge_cells

SweepProgress = Callable[[int, int, float | None], None]
"""Hears cells done, all cells, and the seconds that are left, where they are known."""
_KEY_FORMAT = 1  # part of every cell's key; a new number forgets all old cells


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep found: pictures, scores, and the checkpoints with the recommended one chosen."""

    grid_path: Path
    cells: tuple[RenderedCell, ...]
    scores: Scores
    checkpoints: Checkpoints

    def read_grid(self) -> PIL.Image.Image:
        """The grid picture, RGB."""
        return _read(self.grid_path)


def sweep(
    checkpoints: Checkpoints,
    config: SweepConfig,
    *,
    render: Callable[[Cell], PIL.Image.Image],
    render_identity: str,
    judging: Judging,
    cells_dir: Path,
    progress: SweepProgress,
    grid_texts: Mapping[str, str] | None = None,
    language: str = "en",
    now_s: Callable[[], float] = time.monotonic,
) -> SweepResult:
    """Render what is not yet in `cells_dir`, judge every row by the run's photos, draw the grid.

    `render_identity` names everything outside the cell that decides a picture (base model, text encoder, VAE, who
    samples): pictures of another identity are rendered anew. What `render` raises goes through; the cells rendered
    before it stay, so that the next call goes on. `grid_texts` go into the grid's PNG, such as a host's workflow.
    Raises UserError, before anything is rendered, for a LoRA file that is gone and for more cells than were agreed to.
    """
    hash_of_lora = {checkpoint.path: _lora_hash(checkpoint.path) for checkpoint in checkpoints.checkpoints}
    remove_unfinished(cells_dir)
    made_of = {
        cell: _made_of(cell, config, render_identity, hash_of_lora[cell.lora_path] if cell.lora_path else None)
        for cell in plan_cells(checkpoints, config)
    }
    rendered = [RenderedCell(cell=cell, path=cells_dir / f"{_key(decides)}.png") for cell, decides in made_of.items()]
    missing = [one for one in rendered if not _is_picture(one.path)]
    settings = {"render": render_identity, **config.sampling}
    pace_s = known_pace_s(cells_dir, settings)
    _check_agreed(len(missing), config.max_new_cells, pace_s)
    started_s, num_there = now_s(), len(rendered) - len(missing)
    progress(num_there, len(rendered), None if pace_s is None else pace_s * len(missing))
    for num_done, one in enumerate(missing, start=1):
        told = {"step": one.cell.step, **made_of[one.cell]}
        _save(render(one.cell), one.path, {"zimage_lora": json.dumps(told, ensure_ascii=False)})
        pace_s = (now_s() - started_s) / num_done
        keep_pace(cells_dir, settings, pace_s)  # at once: who cancels is told the time the next time
        progress(num_there + num_done, len(rendered), pace_s * (len(missing) - num_done))
    scores = judge_cells(rendered, checkpoints, judging)
    scores = dataclasses.replace(scores, notes=(*scores.notes, *legend(rendered)))
    write_text_whole(cells_dir / "scores.json", json.dumps(as_json(scores), ensure_ascii=False, indent=1))
    write_text_whole(cells_dir / "scores.csv", "\ufeff" + score_table(scores))  # the mark has Excel read it as UTF-8
    grid = draw_grid(
        rendered,
        scores,
        run_name=checkpoints.run_name,
        last_step=checkpoints.last_step,
        language=language,
    )  # fmt: skip
    grid_path = cells_dir / "grid.png"
    _save(grid, grid_path, grid_texts or {}, compress_level=1)
    return SweepResult(
        grid_path=grid_path,
        cells=tuple(rendered),
        scores=scores,
        checkpoints=checkpoints.choosing(scores.recommended_step, scores.recommended_strength),
    )


def _made_of(cell: Cell, config: SweepConfig, render_identity: str, lora_hash: str | None) -> dict[str, object]:
    """Everything that decides a cell's picture: equal for equal pictures, whatever the LoRA file is called."""
    return {
        "format": _KEY_FORMAT,
        "render": render_identity,
        "lora": lora_hash,
        "strength": cell.strength,
        "prompt": cell.prompt,
        "seed": cell.seed,
        **config.sampling,
    }


def _key(decides: Mapping[str, object]) -> str:
    """The name under which a cell's picture is kept."""
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def _check_agreed(num_missing: int, most: int, pace_s: float | None) -> None:
    if num_missing <= most:
        return
    if pace_s is None:
        raise UserError("sweep.too_many_cells", num=num_missing, limit=most)
    minutes = max(1, round(num_missing * pace_s / 60))
    raise UserError("sweep.too_many_cells_timed", num=num_missing, limit=most, minutes=minutes)


def _save(image: PIL.Image.Image, path: Path, texts: Mapping[str, str], compress_level: int = 6) -> None:
    """Write a PNG whole, with texts in it."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)  # in Latin letters as they are, others as iTXt

    def write(temporary: Path) -> None:
        image.convert("RGB").save(temporary, format="PNG", pnginfo=info, compress_level=compress_level)

    write_whole(path, write)


def _lora_hash(path: Path) -> str:
    try:
        return file_hash(path)
    except FileNotFoundError as error:
        raise UserError("sweep.lora_gone", name=path.name, folder=path.parent) from error


def _is_picture(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with PIL.Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):  # damaged by a failing disk (Pillow calls a bad check sum a syntax error)
        return False
    return True


def _read(path: Path) -> PIL.Image.Image:
    with PIL.Image.open(path) as image:
        return image.convert("RGB")
