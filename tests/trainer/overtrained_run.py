"""Runs built to overtrain on the pocket model, and what their validation recommends beside what is true.

    python -m tests.trainer.overtrained_run --seeds 0 1 2       (prints a table; about four minutes a seed on one core)

Each run learns a figure of its own from ten photos for far too long; four more are held out. True is
the loss of each checkpoint on 64 fresh pictures of the figure at 32 sigmas. Pictures and sigmas are crossed so that
each picture has `--sigmas` of the 32 and all of them are looked at alike; 32 crosses them fully and takes eight times
as long as the usual 4.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from pocket.figures import draw
from pocket.people import any_figure, base_scene
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.photos.photo import Judgement, Photo
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedPhoto, plan_encoding, read_encoded
from trainer.training.data.filling import fill_cache
from trainer.training.keeping.results import Checkpoints
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.model.zimage import find_base_model, predict_velocity
from trainer.training.network.lora import FILE_PREFIX
from trainer.training.session import Session, open_session
from trainer.training.telling.events import Finished, StepDone, Validated
from trainer.training.update.flow import add_noise, named_generator, velocity_losses

POCKET = Path(__file__).parents[2] / "pocket" / "model"
CPU = torch.device("cpu")
SIDE_PX = 128
NUM_PHOTOS, NUM_FRESH = 14, 64
SIGMAS = tuple((place + 0.5) / 32 for place in range(32))
SAVE_EVERY, NUM_SAVES = 60, 9
LEARNING_RATE = 5e-4
"""High, so that ten photos are soon learned by heart; at 1e-3 the true loss itself jumps from save to save by more than
neighbouring saves differ, and its minimum is a matter of luck."""
SHOTS = {"close": "close-up", "medium": "medium", "full": "full body"}
"""A framing as it is drawn, and what a user who labels the photos would call it: held-out photos are of all kinds."""
_AT_ONCE = 16


class Encoders(DiffusersEncoders):
    """The real ones, which keep their weights between the run and the fresh pictures."""

    def release(self) -> None:
        """Nothing: they are small."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run's validation said, and what was true."""

    seed: int
    recommended_step: int
    reason: str
    validation: dict[int, float]
    truth: dict[int, float]
    cost: float
    """What validation took, as a share of what the steps took."""
    seconds: float

    @property
    def true_step(self) -> int:
        """The checkpoint with the lowest true loss."""
        return min(self.truth, key=lambda step: self.truth[step])

    @property
    def is_within_one_interval(self) -> bool:
        """Whether the recommended checkpoint is the true minimum or a neighbour of it."""
        return abs(self.recommended_step - self.true_step) <= SAVE_EVERY

    def __str__(self) -> str:
        marks = {self.recommended_step: "  <- recommended"}
        marks[self.true_step] = marks.get(self.true_step, "") + "  <- true"
        rows = [
            f"  {step:4d}  validation {self.validation[step]:.4f}  truth {loss:.4f}{marks.get(step, '')}"
            for step, loss in self.truth.items()
        ]
        verdict = "within one interval" if self.is_within_one_interval else "TOO FAR"
        heading = f"seed {self.seed}: recommended {self.recommended_step} ({self.reason}), true {self.true_step}"
        return "\n".join([f"{heading}: {verdict} ({self.seconds:.0f} s; validation cost {self.cost:.1%})", *rows])


def overtrain(seed: int, sigmas_per_picture: int) -> Outcome:
    """Train until far beyond the minimum, then measure every checkpoint."""
    torch.set_num_threads(1)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        dataset, fresh = draw_photos(Path(folder), seed)
        config = TrainConfig(
            training_adapter="none", linear_rank=16, total_steps=SAVE_EVERY * NUM_SAVES, save_every=SAVE_EVERY,
            checkpoints_to_keep=100, optimizer="adamw", learning_rate=LEARNING_RATE, training_resolution=SIDE_PX,
            batch_size=2, precision="fp32", validation="on", seed=seed,
        )  # fmt: skip
        job = TrainJob(
            config=config, dataset=dataset, base=find_base_model(POCKET), adapter=None, run_name="run",
            runs_dir=Path(folder) / "runs", loras_dir=Path(folder) / "loras",
        )  # fmt: skip
        encoders = Encoders(POCKET, CPU)
        events = list(train(job, encoders, device=CPU, should_stop=lambda: False))
        last = events[-1]
        assert isinstance(last, Finished)
        pace_s = next(event.seconds_per_step for event in reversed(events) if isinstance(event, StepDone))
        validating_s = sum(event.seconds for event in events if isinstance(event, Validated))
        truth = measure(job, fresh, encoders, last.checkpoints, sigmas_per_picture)
        checkpoints = last.checkpoints
    assert checkpoints.recommended_step is not None and checkpoints.reason is not None
    return Outcome(
        seed=seed,
        recommended_step=checkpoints.recommended_step,
        reason=checkpoints.reason.key.rpartition(".")[2],
        validation={one.step: one.loss for one in checkpoints.validations},
        truth=truth,
        cost=validating_s / (pace_s * config.total_steps),
        seconds=time.monotonic() - started_s,
    )


def draw_photos(folder: Path, seed: int) -> tuple[Dataset, Dataset]:
    """Photos of one figure to run with, and fresh pictures of it."""
    rng = random.Random(seed)
    figure = any_figure(rng)
    photos = []
    for number in range(NUM_PHOTOS + NUM_FRESH):
        path = folder / f"{number}.png"
        framing = tuple(SHOTS)[number % 3]
        draw(figure, base_scene(rng, framing), (SIDE_PX, SIDE_PX)).save(path)
        content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
        judgement = Judgement(detector="none", shot=SHOTS[framing], labelled=("shot",))
        photo = Photo(
            path=path, source_path=path, width_px=SIDE_PX, height_px=SIDE_PX, content_hash=content_hash,
            judgement=judgement,
        )  # fmt: skip
        photos.append(CaptionedPhoto(photo=photo, caption="a photo of Nara"))
    run, fresh = photos[:NUM_PHOTOS], photos[NUM_PHOTOS:]
    return Dataset(subject="Nara", photos=tuple(run)), Dataset(subject="Nara", photos=tuple(fresh))


def measure(
    job: TrainJob, fresh: Dataset, encoders: Encoders, checkpoints: Checkpoints, sigmas_per_picture: int
) -> dict[int, float]:
    """The true loss of the checkpoint of each step."""
    plan, _ = plan_encoding(fresh, job.config, encoders)
    cache_dir = checkpoints.run_dir / "fresh"
    for _ in fill_cache(plan, encoders, cache_dir, CPU):
        pass
    pictures = read_encoded(plan, cache_dir, job.config)
    session = open_session(job, pictures, CPU)
    session.transformer.eval()
    truth = {}
    for checkpoint in checkpoints.checkpoints:
        tensors = load_file(checkpoint.path)
        with torch.no_grad():
            for name, parameter in session.lora.items():
                parameter.copy_(tensors[FILE_PREFIX + name])
        truth[checkpoint.step] = true_loss(session, pictures, sigmas_per_picture)
    return truth


@torch.no_grad()
def true_loss(session: Session, pictures: Sequence[EncodedPhoto], sigmas_per_picture: int) -> float:
    """The mean loss over all pictures and the sigmas each has its turn with; the noise is the same every time."""
    stride = len(SIGMAS) // sigmas_per_picture
    looks = [(index, place) for index in range(len(pictures)) for place in range(index % stride, len(SIGMAS), stride)]
    losses: list[Tensor] = []
    for start in range(0, len(looks), _AT_ONCE):
        batch = looks[start : start + _AT_ONCE]
        latents_BCHW = torch.stack([pictures[index].latents_CHW for index, _ in batch])
        noise_BCHW = torch.stack(
            [torch.randn(latents_BCHW.shape[1:], generator=named_generator(0, "truth", *look)) for look in batch]
        )
        sigma_B = torch.tensor([SIGMAS[place] for _, place in batch])
        noisy_BCHW = add_noise(latents_BCHW, noise_BCHW, sigma_B[:, None, None, None])
        texts = [pictures[index].text for index, _ in batch]
        predicted_BCHW = predict_velocity(session.transformer, noisy_BCHW, sigma_B, texts)
        losses.append(velocity_losses(predicted_BCHW, latents_BCHW, noise_BCHW))
    return float(torch.cat(losses).mean())


def overtrain_all(
    seeds: Sequence[int], sigmas_per_picture: int, num_processes: int, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Every seed's outcome, told of as it comes."""
    found = []
    with ProcessPoolExecutor(num_processes, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(overtrain, seeds, [sigmas_per_picture] * len(seeds)):
            tell(outcome)
            found.append(outcome)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--sigmas", type=int, default=4, choices=(1, 2, 4, 8, 16, 32), help="per fresh picture")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    found = overtrain_all(chosen.seeds, chosen.sigmas, chosen.processes, lambda outcome: print(outcome, flush=True))
    num_good = sum(outcome.is_within_one_interval for outcome in found)
    print(f"within one save interval of the true minimum: {num_good} of {len(found)}")


if __name__ == "__main__":
    main()
