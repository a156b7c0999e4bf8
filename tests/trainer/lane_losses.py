"""What a lane's arithmetic costs in quality: validation losses at the end of training, by precision and seed.

    python -m tests.trainer.lane_losses       (prints a table; about a quarter of an hour on two cores)

Runs of one seed learn the same photos and look at the held-out ones with the same noise; seeds differ in both. 8-bit
lanes multiply in 8 bits, which on a CPU they are made to: it has the cards' operators.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from tests.trainer.overtrained_run import CPU, POCKET, Encoders, draw_photos
from trainer.memory import fitting
from trainer.memory.quantised import EIGHT_BIT
from trainer.training.config import TrainConfig
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.model.zimage import find_base_model
from trainer.training.telling.events import Validated

PRECISIONS = ("bf16", "int8", "float8", "nf4")
SEEDS = (1, 2, 3)
NUM_STEPS, SIDE_PX = 80, 64


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Validation before the first step and after the last."""

    start: float
    end: float


def losses_of(precision: str, seed: int) -> Losses:
    """Train the pocket model in a precision, with the product's own loop, and take what its validation says."""
    torch.set_num_threads(1)
    fitting.has_native_product = lambda asked, device: asked in EIGHT_BIT  # this process is its own
    with tempfile.TemporaryDirectory() as folder:
        dataset, _ = draw_photos(Path(folder), seed=0)
        config = TrainConfig(
            training_adapter="none", linear_rank=16, total_steps=NUM_STEPS, save_every=NUM_STEPS, optimizer="adamw",
            learning_rate=5e-4, training_resolution=SIDE_PX, batch_size=2, validation="on", seed=seed, lane="manual",
            quantization_transformer="none" if precision == "bf16" else precision, recompute_blocks=0,
        )  # fmt: skip
        job = TrainJob(
            config=config, dataset=dataset, base=find_base_model(POCKET), adapter=None, run_name="run",
            runs_dir=Path(folder) / "runs", loras_dir=Path(folder) / "loras",
        )  # fmt: skip
        events = list(train(job, Encoders(POCKET, CPU), device=CPU, should_stop=lambda: False))
    by_step = {event.step: event.loss for event in events if isinstance(event, Validated)}
    return Losses(start=by_step[0], end=by_step[NUM_STEPS])


def losses_of_all(num_processes: int = 2) -> dict[tuple[str, int], Losses]:
    """By precision and seed."""
    runs = list(itertools.product(PRECISIONS, SEEDS))
    with ProcessPoolExecutor(num_processes, mp_context=get_context("spawn")) as pool:
        return dict(zip(runs, pool.map(losses_of, *zip(*runs))))


def spread(found: Mapping[tuple[str, int], Losses]) -> float:
    """How far the seeds of bf16 lie apart in what they have learned; each has validation noise of its own."""
    learned = [found["bf16", seed].start - found["bf16", seed].end for seed in SEEDS]
    return max(learned) - min(learned)


def furthest(found: Mapping[tuple[str, int], Losses], precision: str) -> float:
    """How far a precision ends from bf16 with the same seed, at most."""
    return max(abs(found[precision, seed].end - found["bf16", seed].end) for seed in SEEDS)


def table(found: Mapping[tuple[str, int], Losses]) -> str:
    """All of it in Markdown."""
    lines = [f"| precision | {' | '.join(f'seed {seed}' for seed in SEEDS)} | furthest from bf16 |"]
    lines.append(f"|{'---|' * (len(SEEDS) + 2)}")
    for precision in PRECISIONS:
        cells = [f"{found[precision, seed].start:.4f} to {found[precision, seed].end:.4f}" for seed in SEEDS]
        lines.append(f"| {precision} | {' | '.join(cells)} | {furthest(found, precision):.4f} |")
    return "\n".join([*lines, f"The seeds of bf16 spread over {spread(found):.4f}."])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    print(table(losses_of_all()))


if __name__ == "__main__":
    main()
