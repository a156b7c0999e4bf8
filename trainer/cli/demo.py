"""The verb `demo`: the whole line on the pocket model with the product's own functions, and how alike it became."""

from __future__ import annotations

import dataclasses
import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

from ..files import write_text_whole, write_whole
from ..messages import Message, UserError
from ..photos.cleaning.config import CleanConfig
from ..photos.folder import list_photo_files
from ..photos.memo import Memo
from ..sweep.cells import SweepConfig, plan_cells, prompts_of
from ..sweep.run import SweepResult, sweep
from ..sweep.scores import Scores, as_json
from ..sweep.scoring.judge import Judging, nothing
from ..sweep.scoring.likeness import directions, likeness_of
from ..sweep.scoring.looks import Looker
from ..sweep.scoring.photos import JudgedBy, KnownPhoto, judged_by
from ..sweep.scoring.scorer import Scorer
from ..training.keeping.results import Checkpoints
from .job import JobFile
from .screen import Screen
from .train import CURVE_NAME, hide_loading_bars, run_job

POCKET_DIR = Path(__file__).parents[2] / "pocket"
SUBJECT = "Mila"
SIDE_PX = 128
NUM_SEEDS = 3
AS_THEY_ARE = CleanConfig(duplicates="off", borders="off", text_marks="off", other_people="off", crop="off")
"""The drawings are framed and lit by their maker; nothing is to be found in them, whatever is installed."""
SIGNIFICANT = 3.0
"""The gap counts as learned when it is more than so many times its spread over the seeds."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How much more alike the pictures became, seed by seed: the chosen checkpoint minus the untrained model."""

    step: int
    by_seed: tuple[float, ...]
    mean: float
    spread: float
    """The standard deviation over the seeds."""

    @property
    def is_significant(self) -> bool:
        """Whether chance is ruled out."""
        return self.mean > SIGNIFICANT * self.spread


def run_demo(out_dir: Path, screen: Screen) -> bool:
    """Train, sweep and measure; False where the user stopped it. Raises UserError without the pocket model."""
    if not (POCKET_DIR / "model").is_dir():
        raise UserError("cli.no_pocket", path=POCKET_DIR)
    checkpoints = run_job(demo_job(out_dir), screen)
    if checkpoints is None:
        return False
    from ..sweep.encoder import TransformersImageEncoder

    hide_loading_bars()
    scorer = TransformersImageEncoder(POCKET_DIR / "encoder", knows_scenes=False)
    held_out = list_photo_files(POCKET_DIR / "photos" / "mila_held_out", recursive=False)
    others = list_photo_files(POCKET_DIR / "photos" / "others", recursive=False)
    result = demo_sweep(checkpoints, scorer, held_out, out_dir, screen)
    floor = measure_floor(scorer, others, held_out)
    gap = measure_gap(result.scores)
    _write_files(result, gap, floor, out_dir)
    _tell(result.scores, gap, floor, screen)
    screen.say("cli.demo_files", path=out_dir)
    return True


def demo_job(out_dir: Path) -> JobFile:
    """Settings that suit a model of this size; everything else is the product's default."""
    return JobFile(
        photos=str(POCKET_DIR / "photos" / "mila"),
        subject=SUBJECT,
        output_dir=str(out_dir),
        model=str(POCKET_DIR / "model"),
        training_adapter="none",
        linear_rank=16,
        total_steps=300,
        save_every=75,
        learning_rate=1e-3,
        training_resolution=SIDE_PX,
        batch_size=4,
        precision="fp32",
        face_detector="none",  # drawings
        clean=AS_THEY_ARE,
    )


def demo_sweep(
    checkpoints: Checkpoints, scorer: Scorer, held_out: list[Path], out_dir: Path, screen: Screen
) -> SweepResult:
    """Every checkpoint with the same prompts and seeds, judged against photos that training never saw."""
    import torch

    from ..sweep.diffusers_render import SAMPLER, SCHEDULER, DiffusersRenderer

    config = SweepConfig(
        strengths=(1.0,),
        num_seeds=NUM_SEEDS,
        sampler=SAMPLER,
        scheduler=SCHEDULER,
        width_px=SIDE_PX,
        height_px=SIDE_PX,
    )
    renderer = DiffusersRenderer(
        POCKET_DIR / "model",
        POCKET_DIR / "model",
        config,
        prompts=prompts_of(plan_cells(checkpoints, config)),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    return sweep(
        checkpoints,
        config,
        render=renderer.render,
        render_identity=renderer.identity,
        judging=Judging(
            photos=JudgedBy(
                held_out=tuple(KnownPhoto(path=path) for path in held_out),
                training=judged_by(checkpoints.run_dir).training,
            ),
            scorer=scorer,
            memo=Memo(checkpoints.run_dir / "sweep" / "seen"),
        ),
        cells_dir=checkpoints.run_dir / "sweep",
        progress=lambda done, total, _: screen.progress(Message("cli.cells", {"done": done, "total": total})),
        language=screen.language,
    )


def measure_floor(scorer: Scorer, others: list[Path], held_out: list[Path]) -> float:
    """The likeness of other people to the held-out photos."""
    looker = Looker(scorer, None, Memo(None), nothing)
    references_RD = directions(looker.look(held_out))
    return statistics.fmean(likeness_of(look, references_RD) or 0.0 for look in looker.look(others))


def measure_gap(scores: Scores) -> Gap:
    """The gain in likeness from the untrained model to the recommended row; per seed, as both were drawn from the same
    noise."""
    trained, untrained = scores.recommended, scores.untrained
    assert trained is not None
    by_seed: dict[int, list[float]] = {}
    for after, before in zip(trained.cells, untrained.cells, strict=True):
        assert after.likeness is not None and before.likeness is not None
        by_seed.setdefault(after.seed, []).append(after.likeness - before.likeness)
    means = tuple(statistics.fmean(gains) for gains in by_seed.values())
    return Gap(step=trained.step, by_seed=means, mean=statistics.fmean(means), spread=statistics.stdev(means))


def _write_files(result: SweepResult, gap: Gap, floor: float, out_dir: Path) -> None:
    """Put what is worth looking at into the folder itself."""
    numbers = {
        **as_json(result.scores),
        "floor": floor,
        "gap": {**dataclasses.asdict(gap), "is_significant": gap.is_significant},
    }
    write_text_whole(out_dir / "likeness.json", json.dumps(numbers, indent=1, ensure_ascii=False))
    chosen = result.checkpoints.chosen.path
    for source, name in (
        (result.grid_path, "grid.png"),
        (result.checkpoints.run_dir / CURVE_NAME, CURVE_NAME),
        (chosen, "mila.safetensors"),
    ):
        write_whole(out_dir / name, lambda temporary, source=source: shutil.copyfile(source, temporary))  # type: ignore[misc]


def _tell(scores: Scores, gap: Gap, floor: float, screen: Screen) -> None:
    screen.say("cli.floor", likeness=f"{floor:.3f}")
    for message in scores.messages():
        screen.say_message(message)
    by_seed = ", ".join(f"{value:+.3f}" for value in gap.by_seed)
    values = {"step": gap.step, "gap": f"{gap.mean:+.3f}", "by_seed": by_seed, "spread": f"{gap.spread:.3f}"}
    times = gap.mean / gap.spread if gap.spread else float("inf")
    screen.say("cli.gap", **values, times=f"{times:.1f}")
    screen.say("cli.gap_learned" if gap.is_significant else "cli.gap_unproven", times=f"{SIGNIFICANT:g}")
