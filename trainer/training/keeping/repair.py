"""Repair: what is found damaged or missing on disk when a run is looked at again, and what the user is told of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...messages import Message
from .checksums import is_whole
from .record import early_finish, read_record
from .runs import Run

DAMAGED_SUFFIX = ".damaged"


def set_aside_damaged(run: Run) -> Iterator[Message]:
    """Take LoRA files that no longer hold what was written out of every loader's sight; yields what to say of each.

    The run goes on without them, and makes those that come after its train state anew.
    """
    for checkpoint in run.lora_files():
        if is_whole(checkpoint.path, thorough=True):
            continue
        aside = checkpoint.path.with_name(checkpoint.path.name + DAMAGED_SUFFIX)
        try:
            os.replace(checkpoint.path, aside)
        except OSError:  # open in another program: it stays, and is left out wherever checkpoints are counted
            aside = checkpoint.path
        yield Message("train.lora_damaged", {"name": checkpoint.path.name, "aside": aside})


def finished_notes(run: Run) -> list[Message]:
    """What is to be said of a run that is complete: that it ended early, and which of its files are damaged."""
    record = read_record(run.run_dir) or {}
    notes = []
    if early := early_finish(record):
        notes.append(Message("train.finished_early", {"step": early[0], "total": early[1]}))
    for checkpoint in run.lora_files():
        if not is_whole(checkpoint.path, thorough=False):
            notes.append(Message("train.lora_damaged", {"name": checkpoint.path.name, "aside": checkpoint.path}))
    return notes
