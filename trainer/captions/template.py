"""Captions from a template, and the user's own where there are any. Looks at no pixels."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from ..files import write_text_whole
from ..messages import Message, UserError
from ..photos.folder import shown_path
from ..photos.photo import Photo, PhotoSet
from ..settings import check_settings, setting
from .dataset import CaptionedPhoto, Dataset

SUBJECT = "[subject]"


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """How photos are captioned. Raises UserError for an empty subject, or a template with no place for it."""

    subject: str = setting("", "The name the captions use for the person, e.g. Merlina. Prompts use it later.")
    template: str = setting(
        f"a photo of {SUBJECT}",
        f"The caption of every photo that has no .txt file of its own; {SUBJECT} stands for the subject.",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.subject.strip():
            raise UserError("captions.no_subject")
        if SUBJECT not in self.template:
            raise UserError("captions.no_place_for_subject", template=self.template)


def caption_photos(photos: PhotoSet, config: CaptionConfig) -> Dataset:
    """Every photo with a caption: that of the user's `.txt` beside the original, else the template's.

    Captions are also written as `.txt` beside working copies, and nowhere else. Raises UserError if that fails.
    """
    subject = _one_line(config.subject)
    captioned, warnings = [], list(photos.warnings)
    for photo in photos.photos:
        caption, problem = _own_caption(photo.source_path)
        if problem is not None:
            name = shown_path(photo.source_path.with_suffix(".txt"), photos.folder)
            warnings.append(Message(problem, {"name": name}))
        caption = _one_line((caption or config.template).replace(SUBJECT, subject))
        if photo.is_working_copy:
            _keep(photo, caption)
        captioned.append(CaptionedPhoto(photo=photo, caption=caption))
    return Dataset(subject=subject, photos=tuple(captioned), photo_set=photos, warnings=tuple(warnings))


def _own_caption(photo_path: Path) -> tuple[str, str | None]:
    """The caption the user wrote beside a photo, if any; and the key of what is wrong with its file, if anything."""
    try:
        data = photo_path.with_suffix(".txt").read_bytes()
    except FileNotFoundError:
        return "", None
    except OSError:
        return "", "captions.own_unreadable"
    caption = _decode(data)
    if caption is None or "\0" in caption:
        return "", "captions.own_unreadable"
    return (caption, None) if caption.strip() else ("", "captions.own_empty")


def _decode(data: bytes) -> str | None:
    """Text in UTF-8 (with or without its mark), UTF-16 with its mark, or GB18030; None if it is none of them."""
    has_utf16_mark = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if has_utf16_mark else ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _keep(photo: Photo, caption: str) -> None:
    path = photo.path.with_suffix(".txt")
    if not path.exists() or path.read_bytes() != caption.encode("utf-8"):
        write_text_whole(path, caption)
