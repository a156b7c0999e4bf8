"""The verb `prepare`: photos loaded, judged and cleaned, and what came of them, before anything is captioned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..messages import Message
from ..photos.cleaning.clean import check_any_left, clean_photos
from ..photos.cleaning.config import OFF, CleanConfig
from ..photos.cleaning.tools import CleanTools
from ..photos.load import load_photos
from ..photos.memo import Memo
from ..photos.photo import PhotoSet
from ..photos.report.text import describe
from ..photos.threads import Progress
from .job import JobFile
from .screen import Screen


def run_prepare(file: JobFile, screen: Screen) -> PhotoSet:
    """Load and clean a job's photos and say what was found and done. Raises UserError for what the user can mend."""
    cleaned = clean(load(file, screen), file, screen)
    screen.say_text(describe(cleaned, screen.language))
    check_any_left(cleaned)
    screen.say("cli.prepared", count=len(cleaned.photos), path=file.work_dir)
    return cleaned


def load(file: JobFile, screen: Screen) -> PhotoSet:
    """The photos of a job."""
    photos = load_photos(
        Path(file.photos), recursive=file.recursive, memo=Memo(file.runs_dir / "memo"), progress=showing(screen)
    )  # fmt: skip
    screen.end_progress()
    return photos


def clean(photos: PhotoSet, file: JobFile, screen: Screen) -> PhotoSet:
    """The working copies of a job's photos."""
    tools = with_files(installed_tools(file.clean, with_faces=file.face_detector == "auto"), file)
    cleaned = clean_photos(photos, file.clean, file.work_dir, tools=tools, progress=showing(screen))
    screen.end_progress()
    return cleaned


def installed_tools(config: CleanConfig, *, with_faces: bool) -> CleanTools:
    """What is installed in this Python and of use for these settings; models of ComfyUI's own are not reached here."""
    from ..photos.cleaning.inpaint import installed_inpainter
    from ..photos.cleaning.rapid_text import installed_text_finder
    from ..photos.faces.mtcnn import installed_face_detector

    removes_marks = config.text_marks != OFF
    return CleanTools(
        face_detector=installed_face_detector() if with_faces else None,
        text_finder=installed_text_finder() if removes_marks else None,
        inpainter=installed_inpainter() if removes_marks else None,
    )


def with_files(tools: CleanTools, file: JobFile) -> CleanTools:
    """The tools with those whose model files the job names. Raises UserError for a file that is gone."""
    wants_faces = bool(file.face_restorer) and file.clean.enhance_faces != OFF
    if not (file.inpaint_model or wants_faces):
        return tools
    import torch

    from ..photos.cleaning.inpaint import lama_inpainter
    from ..photos.cleaning.restorers import FileRestorer
    from ..photos.cleaning.spandrel_models import on_device

    place = on_device("cuda" if torch.cuda.is_available() else "cpu")
    return dataclasses.replace(
        tools,
        inpainter=lama_inpainter(Path(file.inpaint_model), place) if file.inpaint_model else tools.inpainter,
        face_restorer=FileRestorer(Path(file.face_restorer), place) if wants_faces else None,
    )


def showing(screen: Screen) -> Progress:
    """A listener that shows which photo is at work."""

    def show(done: int, total: int, doing: Message) -> None:
        screen.progress(Message("cli.photos", {"done": done, "total": total, "doing": doing}))

    return show
