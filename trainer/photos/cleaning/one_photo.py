"""One photo from the judged original to its working copy: framing on the view, one full decode, retouching, writing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from ..boxes import inside, outside, point_inside
from ..edits import PhotoEdit
from ..judging.framing import shot_of
from ..judging.judge import judge_again
from ..photo import WHOLE, Box, Face, Judgement, Photo, SetAside
from ..pixels import read_pixels
from ..plain import judgement_as_json
from ..view import read_view
from .background import treat_background
from .borders import trim_borders
from .config import CleanConfig
from .crop import crop_to_subject
from .draft import Draft, FramingStep, RetouchingStep
from .enhance import enhance_face
from .export import SUFFIXES, cut_and_scale, whole_pixels, write_picture
from .mark_painting import paint_over_marks
from .masking import mask_others
from .people import treat_other_people
from .sharpen import sharpen
from .text_marks import treat_text_marks
from .tools import CleanTools
from .views import after_small_path, save_after, save_before
from .working_copies import Record, find_record, keep_record, record_path

FRAMING: tuple[FramingStep, ...] = (trim_borders, treat_text_marks, treat_other_people, crop_to_subject)
RETOUCHING: tuple[RetouchingStep, ...] = (paint_over_marks, mask_others, treat_background, enhance_face, sharpen)

_CLEANING = "2"
"""Raised whenever the same photo and settings would give other pixels, so that old working copies are not reused."""
_OF_THE_SET = ("duplicates",)
"""Settings that change no photo by itself."""


def clean_photo(
    photo: Photo, edit: PhotoEdit, config: CleanConfig, tools: CleanTools, work_dir: Path
) -> Photo | SetAside:
    """The working copy of a judged photo, made now or found from an earlier run; or why it is set aside.

    Raises UserError if the photo has gone since it was loaded, or if the work folder cannot be written.
    """
    key = _key(photo, edit, config, tools)
    path = record_path(photo, key, work_dir)
    copy_path = path.with_suffix(SUFFIXES[config.file_format])
    record = find_record(path, key, copy_path)
    if record is None:
        record = _make(photo, edit, config, tools, copy_path)
        files = (copy_path, after_small_path(copy_path)) if record.content_hash else ()
        keep_record(record, path, key, files)
    save_before(photo, work_dir)
    photo = dataclasses.replace(
        photo,
        source_hash=photo.source_hash or photo.content_hash,
        done=photo.done + record.done,
        record_path=path,
    )
    if record.set_aside is not None:
        return SetAside(photo=photo, reason=record.set_aside)
    return dataclasses.replace(
        photo,
        path=copy_path,
        width_px=record.width_px,
        height_px=record.height_px,
        content_hash=record.content_hash,
        shown_part=outside(record.frame, photo.shown_part),
        judgement=record.judgement,
    )


def _key(photo: Photo, edit: PhotoEdit, config: CleanConfig, tools: CleanTools) -> str:
    """Everything that the working copy depends on."""
    assert photo.judgement is not None
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _OF_THE_SET}
    parts = {
        "cleaning": _CLEANING,
        "photo": photo.content_hash,
        "part": photo.shown_part,
        "settings": settings,
        "edit": dataclasses.asdict(dataclasses.replace(edit, name="")),
        "tools": tools.names,
        "judgement": hashlib.sha256(repr(judgement_as_json(photo.judgement)).encode()).hexdigest(),
    }
    return json.dumps(parts, sort_keys=True)


def _make(photo: Photo, edit: PhotoEdit, config: CleanConfig, tools: CleanTools, copy_path: Path) -> Record:
    """Clean a photo and write what comes of it, but for its record."""
    assert photo.judgement is not None
    view = read_view(photo.path)
    save_before(photo, copy_path.parent, view)
    draft = Draft(
        photo=photo,
        edit=edit,
        view=view,
        judgement=photo.judgement,
        frame=edit.crop or WHOLE,
        marks=edit.marks,
    )
    for frame in FRAMING:
        draft = draft if draft.set_aside else frame(draft, config, tools)
    if draft.set_aside:
        return _record(draft)
    pixels = read_pixels(photo.path)
    draft = dataclasses.replace(draft, frame=whole_pixels(draft.frame, *pixels.size))
    image = cut_and_scale(pixels, draft.frame, config.longest_side_px)
    del pixels  # of a large photo hundreds of megabytes, while the models are at work
    for retouch in RETOUCHING:
        image, draft = (image, draft) if draft.set_aside else retouch(image, draft, config, tools)
    if draft.set_aside:
        return _record(draft)
    judgement = _judgement_in(_without(draft.judgement, draft.others), draft.frame)
    content_hash = write_picture(image, copy_path, config.file_format)
    save_after(image, copy_path)
    return dataclasses.replace(
        _record(draft),
        judgement=judge_again(image, judgement),
        width_px=image.width,
        height_px=image.height,
        content_hash=content_hash,
    )


def _record(draft: Draft) -> Record:
    return Record(
        whole=draft.judgement, frame=draft.frame, marks=draft.marks, done=draft.done, set_aside=draft.set_aside
    )


def _without(judgement: Judgement, others: tuple[Box, ...]) -> Judgement:
    """A judgement without the faces of persons that were masked."""
    faces, found = (
        tuple(face for face in faces if face.box not in others) for faces in (judgement.faces, judgement.found)
    )
    return dataclasses.replace(judgement, faces=faces, found=found)


def _judgement_in(judgement: Judgement, frame: Box) -> Judgement:
    """What is known about a photo as it applies to a part of it; faces outside of the part are gone."""
    faces, found = (_faces_in(faces, frame) for faces in (judgement.faces, judgement.found))
    # What the user says stands; else a hand-drawn crop may have made another kind of shot of it.
    shot = shot_of(faces[0]) if faces and "shot" not in judgement.labelled else judgement.shot
    return dataclasses.replace(judgement, faces=faces, found=found, shot=shot)


def _faces_in(faces: tuple[Face, ...], frame: Box) -> tuple[Face, ...]:
    moved = tuple(
        dataclasses.replace(
            face,
            box=inside(face.box, frame),
            landmarks=tuple(point_inside(point, frame) for point in face.landmarks),
        )
        for face in faces
    )
    return tuple(face for face in moved if 0 < face.box[0] + face.box[2] < 2 and 0 < face.box[1] + face.box[3] < 2)
