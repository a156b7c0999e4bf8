"""Whether a sweep's scores choose well: runs on the pocket model, each with an overcooked checkpoint beside it.

    python -m tests.trainer.sweep_evidence --work DIR --seeds 0 1 2 3 4

Each seed trains Mila from her 24 photos with a save every 40 steps, and once more from a single one of the same photos,
at a high rate and rank and far too long, until it is known by heart. All checkpoints draw the same cells; what is
trained and drawn stays in DIR and is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import torch

from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.files import write_whole
from trainer.photos.photo import Photo
from trainer.sweep.cells import Cell, RenderedCell, SweepConfig
from trainer.sweep.diffusers_render import SAMPLER, SCHEDULER, DiffusersRenderer
from trainer.sweep.encoder import TransformersImageEncoder
from trainer.sweep.scores import RowScore, Scores, score_table
from trainer.sweep.scoring.judge import Judging, judge_cells
from trainer.sweep.scoring.photos import judged_by
from trainer.training.config import TrainConfig
from trainer.training.evidence.verdict import lowest
from trainer.training.keeping.record import read_record
from trainer.training.keeping.results import Checkpoint, Checkpoints
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.loop import train
from trainer.training.model.diffusers_encoders import DiffusersEncoders
from trainer.training.model.zimage import find_base_model
from trainer.training.telling.events import Finished

POCKET = Path(__file__).parents[2] / "pocket"
CPU = torch.device("cpu")
SIDE_PX = 128
SAVE_EVERY, NUM_SAVES = 40, 8
OVERCOOKED_STEPS, OVERCOOKED_RANK, OVERCOOKED_RATE = 900, 64, 1.5e-3
PROMPTS = (
    "a photo of Mila",
    "a photo of Mila, professional portrait, studio lighting",
    "a photo of Mila, school uniform, outdoor setting",
    "a photo of Mila, wearing elegant evening dress, at gala event",
)
CANARY = "a photo of a person with red hair, blue shirt, night"
SEEDS = (42, 43)


def train_run(folder: Path, seed: int) -> Checkpoints:
    """The run as its user would make it."""
    return finished(
        folder, "mila", mila_photos(), total_steps=SAVE_EVERY * NUM_SAVES, save_every=SAVE_EVERY, learning_rate=1e-3,
        batch_size=4, validation="on", seed=seed,
    )  # fmt: skip


def mila_photos() -> list[CaptionedPhoto]:
    """All that the run is given."""
    return [captioned(path) for path in sorted((POCKET / "photos" / "mila").iterdir())]


def with_overcooked(run: Checkpoints, folder: Path, seed: int) -> Checkpoints:
    """The run's checkpoints, and after them one that knows one of the same photos by heart: the one most like the
    others, so that a copy of it is more alike than anything honest."""
    record = read_record(run.run_dir)
    assert record is not None
    hidden = {*record["validation"]["held_out"], *record["validation"]["set_aside"]}
    learned = [item for item in mila_photos() if item.photo.content_hash not in hidden]
    encoder = TransformersImageEncoder(POCKET / "encoder", knows_scenes=False)
    directions_TD = encoder.embed([PIL.Image.open(item.photo.path).convert("RGB") for item in learned])
    typical = int((directions_TD @ directions_TD.sum(dim=0)).argmax())
    overcooked = finished(
        folder, "overcooked", [learned[typical]], total_steps=OVERCOOKED_STEPS, save_every=OVERCOOKED_STEPS,
        linear_rank=OVERCOOKED_RANK, learning_rate=OVERCOOKED_RATE, lr_schedule="cosine", batch_size=1,
        validation="off", seed=seed,
    )  # fmt: skip
    last = Checkpoint(step=run.checkpoints[-1].step + OVERCOOKED_STEPS, path=overcooked.checkpoints[-1].path)
    return dataclasses.replace(run, checkpoints=(*run.checkpoints, last))


def captioned(path: Path) -> CaptionedPhoto:
    """One of Mila's photos with the caption that the product would give it."""
    with PIL.Image.open(path) as image:
        width_px, height_px = image.size
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    photo = Photo(path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash=content_hash)
    return CaptionedPhoto(photo=photo, caption=PROMPTS[0])


def finished(folder: Path, name: str, photos: list[CaptionedPhoto], **settings: object) -> Checkpoints:
    """A run from its beginning to its end, or as it lies on disk."""
    config = TrainConfig(
        training_adapter="none", checkpoints_to_keep=100, optimizer="adamw", training_resolution=SIDE_PX,
        precision="fp32", **{"linear_rank": 16, **settings},
    )  # fmt: skip
    job = TrainJob(
        config=config, dataset=Dataset(subject="Mila", photos=tuple(photos)), base=find_base_model(POCKET / "model"),
        adapter=None, run_name=name, runs_dir=folder / "runs", loras_dir=folder / "loras",
    )  # fmt: skip
    known = finished_run(job)
    if known:
        return known
    *_, last = train(job, DiffusersEncoders(POCKET / "model", CPU), device=CPU, should_stop=lambda: False)
    assert isinstance(last, Finished)
    return last.checkpoints


def places(checkpoints: Checkpoints, folder: Path) -> Iterator[RenderedCell]:
    """All of a sweep: the untrained model first, then every checkpoint."""
    rows: list[tuple[int, Path | None]] = [(0, None), *((one.step, one.path) for one in checkpoints.checkpoints)]
    for step, lora_path in rows:
        for index, prompt in enumerate((*PROMPTS, CANARY)):
            for seed in SEEDS:
                strength = 1.0 if lora_path else 0.0
                cell = Cell(
                    step=step, strength=strength, prompt=prompt, seed=seed, lora_path=lora_path,
                    is_canary=prompt == CANARY,
                )  # fmt: skip
                yield RenderedCell(cell=cell, path=folder / f"{step}-{index}-{seed}.png")


def draw_all(checkpoints: Checkpoints, folder: Path) -> float:
    """Draw what is not there yet; the seconds a picture took, or 0 where all were there."""
    config = SweepConfig(sampler=SAMPLER, scheduler=SCHEDULER, width_px=SIDE_PX, height_px=SIDE_PX)
    renderer = DiffusersRenderer(
        POCKET / "model", POCKET / "model", config, prompts=(*PROMPTS, CANARY), device=CPU, dtype=torch.float32
    )
    took_s = []
    for place in places(checkpoints, folder):
        if not place.path.is_file():
            started_s = time.process_time()
            image = renderer.render(place.cell)
            write_whole(place.path, lambda temporary, image=image: image.save(temporary, format="PNG"))  # type: ignore[misc]
            took_s.append(time.process_time() - started_s)
    return sum(took_s[1:]) / max(1, len(took_s) - 1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the scores said of one seed's run."""

    seed: int
    scores: Scores
    validation_step: int
    """Where the loss on held-out photos was lowest."""
    seconds_per_cell: float
    """What drawing took; 0 where everything had been drawn before."""
    judging_s_per_cell: float

    @property
    def overcooked(self) -> RowScore:
        """The row that knows photos by heart."""
        return self.scores.rows[-1]

    @property
    def has_risen(self) -> bool:
        """Whether the recommended row is more alike than the untrained one, beyond chance."""
        chosen = self.scores.recommended
        return chosen is not None and chosen.gain is not None and chosen.gain.is_above_zero

    @property
    def saves_apart(self) -> float:
        """How many saves lie between the recommended step and the lowest validation loss."""
        return abs(self.scores.recommended_step - self.validation_step) / SAVE_EVERY

    def __str__(self) -> str:
        chosen, untrained, cooked = self.scores.recommended, self.scores.untrained, self.overcooked
        assert chosen is not None
        honest = [row for row in self.scores.rows[:-1] if row.by_heart]
        most = max(honest, key=lambda row: row.by_heart.mean if row.by_heart else 0.0)
        return (
            f"| {self.seed} | {untrained.likeness} | {chosen.likeness} at {chosen.step} | {chosen.gain} "
            f"| {self.validation_step} ({self.saves_apart:g}) | {cooked.likeness} "
            f"| {cooked.by_heart}, {'rejected' if cooked.rejected else 'PASSED'} "
            f"| {most.by_heart} at {most.step}, {sum(row.rejected is not None for row in honest)} rejected "
            f"| {self.judging_s_per_cell * 1000:.0f} ms |"
        )


HEADING = (
    "| seed | untrained | recommended | gain | validation minimum (saves apart) | overcooked: likeness | by heart "
    "| most by heart of an honest row | scoring a picture |\n|---|---|---|---|---|---|---|---|---|"
)


def judge(checkpoints: Checkpoints, folder: Path, seed: int, seconds_per_cell: float) -> Outcome:
    """The scores with nothing kept from an earlier time."""
    cells = list(places(checkpoints, folder))
    started_s = time.process_time()
    scorer = TransformersImageEncoder(POCKET / "encoder", knows_scenes=False)
    scores = judge_cells(cells, checkpoints, Judging(photos=judged_by(checkpoints.run_dir), scorer=scorer))
    judging_s = time.process_time() - started_s
    return Outcome(
        seed=seed,
        scores=scores,
        validation_step=lowest([one for one in checkpoints.validations if one.step]).step,
        seconds_per_cell=seconds_per_cell,
        judging_s_per_cell=judging_s / len(cells),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--work", type=Path, required=True, help="where what is trained and drawn stays")
    parser.add_argument("--tables", action="store_true", help="print every row of every seed too")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(HEADING, flush=True)
    for seed in chosen.seeds:
        folder = chosen.work / f"seed-{seed}"
        checkpoints = with_overcooked(train_run(folder, seed), folder, seed)
        outcome = judge(checkpoints, folder / "cells", seed, draw_all(checkpoints, folder / "cells"))
        print(outcome, flush=True)
        if outcome.seconds_per_cell:
            print(f"drawing a picture took {outcome.seconds_per_cell:.2f} s of processor time", flush=True)
        if chosen.tables:
            print(score_table(outcome.scores), flush=True)


if __name__ == "__main__":
    main()
