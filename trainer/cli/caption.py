"""The verb `caption`: photos loaded, cleaned and captioned, and what there is to mend in the captions."""

from __future__ import annotations

from pathlib import Path

from ..captions.caption import caption_photos
from ..captions.dataset import Dataset, caption_lines
from ..captions.tokens import FolderTokens, tokenizer_folder
from ..captions.vision.captioner import Captioner
from ..photos.cleaning.clean import check_any_left
from ..photos.memo import Memo
from ..photos.photo import PhotoSet
from .job import JobFile
from .prepare import clean, load, showing
from .screen import Screen


def run_caption(file: JobFile, screen: Screen, export_dir: Path | None = None) -> Dataset:
    """Load, clean and caption a job's photos, and say what was found; the captions lie beside the working copies.

    With `export_dir`, or the job's own `export`, the dataset is also written as a folder that other trainers read.
    Raises UserError for what the user can mend.
    """
    working = clean(load(file, screen), file, screen)
    check_any_left(working)
    dataset = caption(working, file, screen)
    for message in dataset.warnings:
        screen.say_message(message)
    tell_findings(dataset, screen)
    screen.say_text("\n".join(caption_lines(dataset)))
    screen.say("cli.captions_kept", count=len(dataset.photos), path=file.work_dir)
    target = export_dir or (Path(file.export) if file.export else None)
    if target is not None:
        _export(dataset, target, screen)
    return dataset


def caption(working: PhotoSet, file: JobFile, screen: Screen) -> Dataset:
    """The captions of a job's working copies. Raises UserError."""
    tokenizer = tokenizer_folder(file.encoders_source)
    dataset = caption_photos(
        working,
        file.caption_config,
        captioner=_captioner(file.vision_model),
        memo=Memo(file.runs_dir / "memo"),
        count_tokens=FolderTokens(tokenizer) if tokenizer else None,
        progress=showing(screen),
    )
    screen.end_progress()
    return dataset


def tell_findings(dataset: Dataset, screen: Screen) -> None:
    """What there is to mend in captions."""
    for finding in dataset.findings:
        screen.say_message(finding.message)


def _captioner(folder: str) -> Captioner | None:
    if not folder:
        return None
    import torch

    from ..captions.vision.transformers_captioner import transformers_captioner

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return transformers_captioner(Path(folder), device)


def _export(dataset: Dataset, folder: Path, screen: Screen) -> None:
    from ..captions.export.export import export_dataset

    exported = export_dataset(dataset, folder, showing(screen))
    screen.end_progress()
    screen.say("cli.exported", count=len(dataset.photos), path=exported.folder)
