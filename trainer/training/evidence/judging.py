"""Judging: what a session finds out about its photos and checkpoints while it trains, told as events.

Puts together the validation, the verdict and the loss watch; computes nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ...messages import Message
from ..keeping.history import append_step, append_validation, read_photo_losses, read_validations
from ..keeping.record import read_record, record_validation
from ..keeping.runs import Run, TrainJob
from ..session import Session
from ..step import StepNumbers
from ..telling.events import Event, Validated, Warned
from ..update.optimizers import learning_rate_of
from .holdout import Split, recorded_split, split_dataset
from .loss_watch import LossWatch, PhotoLoss
from .validation import sigmas_per_photo, validate
from .verdict import UNTRAINED_STEP, Validation, compare, lowest, overfitting_since


def split_for(job: TrainJob, run: Run) -> Split:
    """The split that the run began with, or the one it begins with now. Raises UserError as `split_dataset` does."""
    known = recorded_split(job.dataset, read_record(run.run_dir) or {})
    return known or split_dataset(job.dataset, job.config.validation, job.config.seed)


class Judging:
    """Follows one session from the steps that are done on; of several ranks the first one judges for all."""

    def __init__(
        self,
        session: Session,
        run: Run,
        split: Split,
        done: int,
        clock_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._session, self._run, self._clock_s, self._unix_s = session, run, clock_s, unix_s
        self._num_sigmas = self._recorded_sigmas(split) if session.held_out else 0
        self._validations = list(read_validations(run.run_dir, done))
        names = [item.photo.source_path.name for item in split.training.photos]
        self._watch = LossWatch(names, read_photo_losses(run.run_dir))
        self._num_learned = len(names)

    def begin(self, done: int) -> Iterator[Event]:
        """Try the untrained model, which later checkpoints are compared with."""
        if done == UNTRAINED_STEP:
            yield from self._validate(UNTRAINED_STEP)

    def see(self, step: int, numbers: StepNumbers, seconds: float) -> None:
        """Write down what a step found out about its photos, and what it took."""
        photos = [self._session.photos[slot.photo_index].photo_index for slot in numbers.slots]
        assert max(photos) < self._num_learned, f"step {step} learned from a held-out photo"
        if not self._session.ranks.is_first:
            return
        losses = [
            PhotoLoss(photo_index=index, sigma=slot.sigma, loss=slot.loss)
            for index, slot in zip(photos, numbers.slots, strict=True)
        ]
        rate = learning_rate_of(self._session.optimizer)
        append_step(self._run.run_dir, step, numbers.loss, losses, rate=rate, seconds=seconds, at=self._unix_s())
        self._watch.see(losses)

    def at_save(self, step: int) -> Iterator[Event]:
        """Try the weights of a checkpoint on the held-out photos, and look over the photos that were learned from.

        Done before the checkpoint is saved, so that every checkpoint on disk has its validation.
        """
        yield from self._validate(step)
        for message in self._watch.warnings() if self._session.ranks.is_first else ():
            yield Warned(message=message)

    def _recorded_sigmas(self, split: Split) -> int:
        """How many sigmas each held-out photo is looked at with; decided when the run begins, noted with the split."""
        known = (read_record(self._run.run_dir) or {}).get("validation")
        if known:
            return int(known["sigmas_per_photo"])
        num_sigmas = sigmas_per_photo(len(self._session.held_out), self._session.config)
        if self._session.ranks.is_first:
            record_validation(self._run, {**split.as_json(), "sigmas_per_photo": num_sigmas})
        return num_sigmas

    def _validate(self, step: int) -> Iterator[Event]:
        before = [one for one in self._validations if one.step < step]
        if not self._session.held_out or not self._session.ranks.is_first or len(before) < len(self._validations):
            return
        started_s = self._clock_s()
        validation = validate(self._session, self._num_sigmas, step)
        self._validations.append(validation)
        seconds = self._clock_s() - started_s
        append_validation(self._run.run_dir, validation, seconds=seconds, at=self._unix_s())
        yield self._told(validation, seconds)
        since = overfitting_since(self._validations)
        if since is validation:
            best = lowest([one for one in before if one.step != UNTRAINED_STEP])
            values = {"step": step, "best": best.step, "more": f"{validation.loss - best.loss:.4f}"}
            yield Warned(message=Message("train.overfitting", values))

    def _told(self, validation: Validation, seconds: float) -> Validated:
        before = self._validations[-2] if len(self._validations) > 1 else None
        change = compare(validation, before) if before else None
        trained = [one for one in self._validations if one.step != UNTRAINED_STEP]
        return Validated(
            step=validation.step,
            loss=validation.loss,
            num_photos=len(validation.losses),
            before_step=before.step if before else None,
            change=change.mean if change else 0.0,
            margin=change.margin if change else 0.0,
            best_step=lowest(trained or [validation]).step,
            seconds=seconds,
        )
