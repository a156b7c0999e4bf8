"""A sweep: every cell rendered once, judged, and laid out in a grid. Knows no sampler: the host hands one over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image

from ..files import file_hash, remove_unfinished, write_whole
from ..messages import UserError
from ..photos.pixels import read_pixels
from ..training.keeping.results import Checkpoints
from .cells import Cell, RenderedCell, SweepConfig, plan_cells
from .grid import draw_grid
from .scores import CheckpointScore, LikenessScorer, Scores, likeness_among, likeness_to, recommend, score_checkpoint

if TYPE_CHECKING:
    import torch

_KEY_FORMAT = 1  # part of every cell's key; a new number forgets all old cells
_PICTURES_AT_ONCE = 16


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
    scorer: LikenessScorer | None,
    references: Sequence[Path],
    cells_dir: Path,
    progress: Callable[[int, int], None],
    language: str = "en",
) -> SweepResult:
    """Render what is not yet in `cells_dir`, judge every checkpoint against the reference photos, draw the grid.

    `render_identity` names everything outside the cell that decides a picture (base model, text encoder, VAE, who
    samples): pictures of another identity are rendered anew. `progress` hears (cells done, all cells). What `render`
    raises goes through; the cells rendered before it stay, so that the next call goes on. Raises UserError for a LoRA
    file that is gone, before anything is rendered.
    """
    hash_of_lora = {checkpoint.path: _lora_hash(checkpoint.path) for checkpoint in checkpoints.checkpoints}
    remove_unfinished(cells_dir)
    cells = plan_cells(checkpoints, config)
    rendered = []
    progress(0, len(cells))
    for cell in cells:
        lora_hash = hash_of_lora[cell.lora_path] if cell.lora_path else None
        path = cells_dir / f"{cell_key(cell, config, render_identity, lora_hash)}.png"
        if not _is_picture(path):
            image = render(cell).convert("RGB")
            write_whole(path, lambda temporary, image=image: image.save(temporary, format="PNG"))  # type: ignore[misc]
        rendered.append(RenderedCell(cell=cell, path=path))
        progress(len(rendered), len(cells))
    scores = _judge(rendered, checkpoints, config, scorer, references)
    grid = draw_grid(
        rendered,
        scores,
        run_name=checkpoints.run_name,
        last_step=checkpoints.checkpoints[-1].step,
        language=language,
    )  # fmt: skip
    grid_path = cells_dir / "grid.png"
    write_whole(grid_path, lambda temporary: grid.save(temporary, format="PNG", compress_level=1))
    return SweepResult(
        grid_path=grid_path,
        cells=tuple(rendered),
        scores=scores,
        checkpoints=checkpoints.choosing(scores.recommended_step),
    )


def cell_key(cell: Cell, config: SweepConfig, render_identity: str, lora_hash: str | None) -> str:
    """The name under which a cell's picture is kept: equal for equal pictures, whatever the LoRA file is called."""
    decides = {
        "format": _KEY_FORMAT,
        "render": render_identity,
        "lora": lora_hash,
        "strength": cell.strength,
        "prompt": cell.prompt,
        "seed": cell.seed,
        **config.sampling,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def _judge(
    rendered: Sequence[RenderedCell],
    checkpoints: Checkpoints,
    config: SweepConfig,
    scorer: LikenessScorer | None,
    references: Sequence[Path],
) -> Scores:
    by_checkpoint: tuple[CheckpointScore, ...] = ()
    ceiling = None
    if scorer is not None and references:
        references_ND = embed_files(scorer, references, read_pixels)
        ceiling = likeness_among(references_ND)
        steps = dict.fromkeys(one.cell.step for one in rendered)
        of_step = {step: [one for one in rendered if one.cell.step == step] for step in steps}
        by_checkpoint = tuple(
            score_checkpoint(
                step,
                likeness_to(embed_files(scorer, [one.path for one in ones], _read), references_ND),
                [one.cell.seed for one in ones],
            )
            for step, ones in of_step.items()
        )
    step, reason = recommend(by_checkpoint, checkpoints)
    return Scores(
        scorer=scorer.name if scorer else None,
        num_references=len(references),
        seeds=config.seeds,
        checkpoints=by_checkpoint,
        ceiling=ceiling,
        recommended_step=step,
        reason=reason,
    )


def embed_files(
    scorer: LikenessScorer, paths: Sequence[Path], read: Callable[[Path], PIL.Image.Image] = read_pixels
) -> torch.Tensor:
    """The directions of picture files, [N, D]; only a few pictures are in memory at a time."""
    import torch

    some = [paths[start : start + _PICTURES_AT_ONCE] for start in range(0, len(paths), _PICTURES_AT_ONCE)]
    return torch.cat([scorer.embed([read(path) for path in batch]) for batch in some])


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
