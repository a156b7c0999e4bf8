"""Live: what a node says while it works, as text for people. Knows no server."""

from __future__ import annotations

from typing import Any

from ..trainer.captions.dataset import Dataset, caption_lines
from ..trainer.captions.export.export import Exported
from ..trainer.messages import Message, name_some, sentence
from ..trainer.training.keeping.results import Checkpoints
from ..trainer.training.telling.events import (
    DiskPlanned,
    Event,
    MemoryTold,
    Preparing,
    Started,
    StepDone,
    Stopped,
    Validated,
)
from ..trainer.training.telling.progress_text import disk_message, progress_message, validated_message


def training_line(event: Event, language: str) -> str | None:
    """The line on the training node after an event, or None where the line before it still holds."""
    if isinstance(event, Preparing | StepDone):
        return sentence(progress_message(event, language), language)
    if isinstance(event, Validated):
        return sentence(validated_message(event), language)
    if isinstance(event, DiskPlanned):
        return sentence(disk_message(event), language)
    if isinstance(event, Started):
        values = {"first": event.first_step, "photos": event.num_photos, "modules": event.num_trained_modules}
        return sentence(Message("host.training_started", values), language)
    if isinstance(event, MemoryTold):
        return sentence(event.message, language)
    if isinstance(event, Stopped):
        return sentence(Message("host.training_stopped", {"step": event.step}), language)
    return None


def workflow_id(hidden: Any) -> str | None:
    """The id of the workflow that a node runs in; None where it was queued without one, as through the API."""
    return ((hidden.extra_pnginfo or {}).get("workflow") or {}).get("id")


def captions_summary(dataset: Dataset, language: str) -> str:
    """How many captions there are, and the warnings: what is not in the table that shows them."""
    heading = Message("host.captioned", {"num": len(dataset.photos)})
    return "\n".join(sentence(message, language) for message in (heading, *dataset.warnings))


def captions_text(dataset: Dataset, language: str) -> str:
    """The summary, what there is to mend, and every photo with its caption."""
    findings = [sentence(finding.message, language) for finding in dataset.findings]
    return "\n".join([captions_summary(dataset, language), *findings, *caption_lines(dataset)])


def exported_text(exported: Exported, language: str) -> str:
    """Where a dataset was exported to, and what had to be converted."""
    values = {"num": exported.num_photos, "folder": exported.folder}
    said = [Message("host.exported_before" if exported.was_there else "host.exported", values)]
    if exported.converted:
        names = name_some(list(exported.converted))
        said.append(Message("host.exported_converted", {"num": len(exported.converted), "names": names}))
    return "\n".join(sentence(message, language) for message in said)


def finished_text(checkpoints: Checkpoints, warnings: list[Message], language: str) -> str:
    """What a run has made: the checkpoints, where they lie, and the warnings on the way."""
    made = checkpoints.checkpoints
    values = {
        "num": len(made),
        "steps": ", ".join(str(checkpoint.step) for checkpoint in made),
        "folder": made[-1].path.parent,
        "chosen": checkpoints.chosen.path.name,
    }
    heading = sentence(Message("host.training_finished", values), language)
    said = [checkpoints.reason] if checkpoints.reason else []
    return "\n".join([heading, *(sentence(message, language) for message in (*said, *warnings))])
