"""What the loop costs beside the transformer's own forward and backward pass, in one command:

    python -m bench.overhead

The product's own loop trains the pocket model from photos on disk. Of every step the processor time within the two
passes is taken apart from the rest: drawing noise, loss, clipping, the update, writing down, telling.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.files import file_hash
from trainer.photos.photo import Photo
from trainer.training import step as step_module
from trainer.training.config import TrainConfig
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.model.zimage import find_base_model
from trainer.training.telling.events import StepDone

from .contests import Spread
from .machine import describe
from .models import POCKET_DIR

CPU = torch.device("cpu")
CAPTION = "a photo of Mila, smiling, pink hair, in a garden"
_WARM_UP_STEPS = 3
_LONG_STEPS = 100_000
_LEAST_RESOLUTION_PX = 64


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Processor seconds of a step, of the two passes within it, and the rest as a share of the passes."""

    step_s: Spread
    passes_s: Spread
    share: Spread
    """0.03 is 3 %."""


def measure(
    *, num_steps: int, num_photos: int = 10, side_px: int = 128, rank: int = 64, **settings: object
) -> Overhead:
    """Time the steps of a run and the passes within them; `settings` are TrainConfig's."""
    durations: list[tuple[float, float]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        passes_timed() as passes_s,
        steps(Path(folder), num_photos=num_photos, side_px=side_px, rank=rank, **settings) as step,
    ):
        for _ in range(_WARM_UP_STEPS):
            step()
        for _ in range(num_steps):
            passes_s.clear()
            durations.append((cpu_seconds(step), sum(passes_s)))
    return Overhead(
        step_s=Spread.of([step_s for step_s, _ in durations]),
        passes_s=Spread.of([inside_s for _, inside_s in durations]),
        share=Spread.of([step_s / inside_s - 1 for step_s, inside_s in durations]),
    )


@contextmanager
def passes_timed() -> Iterator[list[float]]:
    """Within it every forward and every backward pass of the trainer adds its processor seconds to the list."""
    seconds: list[float] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timing(*arguments: Any, **named: Any) -> Any:
            started_s = time.process_time()
            try:
                return work(*arguments, **named)
            finally:
                seconds.append(time.process_time() - started_s)

        return timing

    with ExitStack() as restored:
        for owner, name in ((step_module, "predict_velocity"), (torch.Tensor, "backward")):
            restored.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, timed(getattr(owner, name)))
        yield seconds


@contextmanager
def steps(
    folder: Path, *, num_photos: int, side_px: int, rank: int, base: Path = POCKET_DIR, **settings: object
) -> Iterator[Callable[[], StepDone]]:
    """A run of the product's own loop, from photos on disk; what is given makes the next step and returns its event."""
    config = TrainConfig(
        linear_rank=rank, training_resolution=max(side_px, _LEAST_RESOLUTION_PX),
        training_adapter="none", validation="off", total_steps=_LONG_STEPS, save_every=_LONG_STEPS, **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    job = TrainJob(
        config=config, dataset=noise_photos(folder / "photos", num_photos, side_px), base=find_base_model(base),
        adapter=None, run_name="overhead", runs_dir=folder / "runs", loras_dir=folder / "loras",
    )  # fmt: skip
    with closing(train(job, DiffusersEncoders(POCKET_DIR, CPU), device=CPU, should_stop=lambda: False)) as events:
        yield lambda: next(event for event in events if isinstance(event, StepDone))


def noise_photos(folder: Path, num_photos: int, side_px: int) -> Dataset:
    """Square pictures of noise with one caption."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    photos = []
    for index in range(num_photos):
        path = folder / f"{index}.png"
        pixels = np.random.default_rng(index).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        photo = Photo(
            path=path, source_path=path, width_px=side_px, height_px=side_px, content_hash=file_hash(path)
        )  # fmt: skip
        photos.append(CaptionedPhoto(photo=photo, caption=CAPTION))
    return Dataset(subject="Mila", photos=tuple(photos))


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time, which other processes change little."""
    started_s = time.process_time()
    work()
    return time.process_time() - started_s


def drift(durations: Sequence[float]) -> float:
    """The median of the last quarter by that of the first: 1.0 where time per step does not grow."""
    quarter = max(1, len(durations) // 4)
    return statistics.median(durations[-quarter:]) / statistics.median(durations[:quarter])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.overhead", description=(__doc__ or "").split(",")[0])
    parser.add_argument("--steps", type=int, default=40, help="steps of each row (default: 40)")
    parser.add_argument("--rank", type=int, default=64, help="the LoRA's rank (default: 64)")
    parser.add_argument("--precisions", default="fp32,bf16", help="fp32, bf16 or both (default)")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(", ".join(f"{name} {value}" for name, value in describe(CPU).items() if value != ""), "\n")
    print("| precision | optimizer | batch | step, CPU s | passes, CPU s | the rest |")
    print("|---|---|---|---|---|---|")
    for precision, optimizer, batch_size in itertools.product(
        chosen.precisions.split(","), ("adamw", "adam8bit"), (1, 4)
    ):
        found = measure(
            num_steps=chosen.steps, rank=chosen.rank, precision=precision, optimizer=optimizer, batch_size=batch_size
        )
        print(
            f"| {precision} | {optimizer} | {batch_size} | {found.step_s.median:.4f} | {found.passes_s.median:.4f} "
            f"| {found.share.median:.1%} ({found.share.low:.1%} to {found.share.high:.1%}) |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
