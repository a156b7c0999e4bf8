"""Runs: the folder of one training, what makes it that run, and what it has already made. Loads no torch.

`run.json` says what is trained (record.py), `events.jsonl` the loss of every step (history.py); `cache/` holds
encodings, `state/` train states.
"""

from __future__ import annotations

from ...files import remove_unfinished, safe_name
from ..data.masks import find_masks, masks_identity
from ..evidence.verdict import judge
from ..model.weights import fingerprint
from .checksums import is_whole
from .history import read_losses, read_validations
from .job import Run, TrainJob
from .record import check_identity, read_record, steps_wanted
from .results import Checkpoints


def describe_run(job: TrainJob) -> Run:
    """The run that a job means; an empty name is the subject's. Raises UserError for a name with a path in it,
    and for a base model that is missing or of another kind."""
    name = job.run_name or job.dataset.subject
    folder = safe_name(name)
    identity = {
        **job.config.identity,
        "photos_per_step": job.photos_per_step,
        "training_adapter": fingerprint([job.adapter]) if job.adapter else "none",
        "base_model": job.base.identity,
        "dataset": job.dataset.fingerprint,
    }
    if job.config.mask_source != "none":
        identity["masks"] = masks_identity(find_masks(job.dataset, job.config))
    return Run(
        name=name,
        run_dir=job.runs_dir / folder,
        lora_dir=job.loras_dir / folder,
        identity=identity,
        dataset=job.dataset,
    )


def collect(run: Run, job: TrainJob) -> Checkpoints:
    """The value that training hands on, from what lies on disk."""
    checkpoints = tuple(run.checkpoints())
    validations = read_validations(run.run_dir, checkpoints[-1].step)
    verdict = judge(validations, {checkpoint.step for checkpoint in checkpoints})
    return Checkpoints(
        run_name=run.name,
        run_dir=run.run_dir,
        subject=job.dataset.subject,
        trigger_word=job.config.trigger_word,
        checkpoints=checkpoints,
        losses=tuple(read_losses(run.run_dir, checkpoints[-1].step).values()),
        validations=validations,
        recommended_step=verdict.step if verdict else None,
        reason=verdict.reason if verdict else None,
    )


def finished_run(job: TrainJob) -> Checkpoints | None:
    """The checkpoints of a run that has made all its steps, else None. Raises UserError for another run's folder.

    A checkpoint's file is written after its train state, so the last one proves that all there was to save is saved.
    A run that was told to finish early is finished for as long as total_steps stays what it was.
    """
    run = describe_run(job)
    check_identity(run)
    checkpoints = run.checkpoints()
    if read_record(run.run_dir) is None or not checkpoints or checkpoints[-1].step < steps_wanted(run, job):
        return None
    return collect(run, job) if is_whole(checkpoints[-1].path, thorough=True) else None


def prune_checkpoints(run: Run, step: int, num_to_keep: int) -> None:
    """Delete the oldest LoRA files beyond the newest `num_to_keep`, and what a killed process left half written.

    The best on held-out photos so far, and the one recommended in its place, stay however old they are. Files of steps
    after `step` are left alone: a run that had to go back to an older state will come by there again.
    """
    remove_unfinished(run.lora_dir)
    found = [checkpoint for checkpoint in run.lora_files() if checkpoint.step <= step]
    verdict = judge(read_validations(run.run_dir, step), {checkpoint.step for checkpoint in found})
    good = {verdict.step, verdict.best_step} if verdict else set()
    for checkpoint in found[:-num_to_keep]:
        if checkpoint.step not in good:
            checkpoint.path.unlink(missing_ok=True)
