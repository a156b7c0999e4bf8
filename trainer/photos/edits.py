"""Edits: what the user has said by hand about photos, kept in the workflow as JSON and matched by content.

All places are shares of the user's own file as seen upright, so that they hold whatever cleaning does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..messages import Message, UserError
from .boxes import inside, intersection, point_inside
from .photo import EXPRESSIONS, MANNERS, POSES, SHOTS, UNKNOWN, WHOLE, Box, Photo, Point

_VERSION = 1
_LABELS = {"shot": SHOTS, "pose": POSES, "expression": EXPRESSIONS, "manner": MANNERS}


@dataclass(frozen=True, kw_only=True)
class PhotoEdit:
    """What the user has said about one photo."""

    name: str = ""
    """The file's name when it was said, to name it when the photo is gone."""
    use: bool | None = None
    """True takes a photo back that cleaning sets aside, False leaves it out; None lets cleaning decide."""
    face: Point | None = None
    """A point on the subject's face."""
    no_face: bool = False
    """The photo shows no face of the subject; what the detector found is something else."""
    crop: Box | None = None
    """The part to keep; automatic cropping then keeps its hands off."""
    marks: tuple[Box, ...] = ()
    """Places to be painted over."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """shot, pose, expression or manner, as the user sees them."""


NO_EDIT = PhotoEdit()


@dataclass(frozen=True, kw_only=True)
class Edits:
    """The edits of a set of photos, by the SHA-256 of the user's own file."""

    photos: Mapping[str, PhotoEdit] = field(default_factory=dict)

    def of(self, photo: Photo) -> PhotoEdit:
        """What was said about a photo, its places as shares of what `photo.path` shows."""
        edit = self.photos.get(photo.source_hash or photo.content_hash, NO_EDIT)
        return edit if photo.shown_part == WHOLE else _seen_in(edit, photo.shown_part)

    def gone(self, photos: tuple[Photo, ...]) -> tuple[str, ...]:
        """The names of photos that were edited and are no longer there."""
        there = {photo.source_hash or photo.content_hash for photo in photos}
        return tuple(edit.name or key[:8] for key, edit in self.photos.items() if key not in there)


NO_EDITS = Edits()


def read_edits(text: str) -> Edits:
    """The edits that the node's widget holds. Empty text means none. Raises UserError for text that is no edits."""
    if not text.strip():
        return NO_EDITS
    try:
        plain = json.loads(text)
        if plain["version"] != _VERSION:
            raise UserError("photos.edits_version", version=plain["version"], known=_VERSION)
        return Edits(photos={key: _edit(value) for key, value in plain["photos"].items()})
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("photos.edits_unreadable") from error


def gone_message(edits: Edits, photos: tuple[Photo, ...]) -> Message | None:
    """What to say about edits whose photos are gone; None where all are there."""
    names = edits.gone(photos)
    return Message("photos.edits_gone", {"count": len(names), "names": ", ".join(names[:3])}) if names else None


def _seen_in(edit: PhotoEdit, frame: Box) -> PhotoEdit:
    """The edit of a whole photo as it applies to a part of it."""
    marks = (intersection(inside(mark, frame), WHOLE) for mark in edit.marks)
    return dataclasses.replace(
        edit,
        face=edit.face and point_inside(edit.face, frame),
        crop=edit.crop and intersection(inside(edit.crop, frame), WHOLE),
        marks=tuple(mark for mark in marks if mark),
    )


def _edit(plain: Mapping[str, Any]) -> PhotoEdit:
    labels = dict(plain.get("labels", {}))
    for name, value in labels.items():
        if value not in (*_LABELS[name], UNKNOWN):
            raise ValueError(name)
    return PhotoEdit(
        name=str(plain.get("name", "")),
        use=_optional_bool(plain.get("use")),
        face=_point(plain["face"]) if plain.get("face") else None,
        no_face=plain.get("no_face", False) is True,
        crop=_box(plain["crop"]) if plain.get("crop") else None,
        marks=tuple(_box(mark) for mark in plain.get("marks", ())),
        labels=labels,
    )


def _optional_bool(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError(value)
    return value


def _point(plain: Any) -> Point:
    x, y = (min(max(float(share), 0.0), 1.0) for share in plain)
    return x, y


def _box(plain: Any) -> Box:
    left, top, right, bottom = (min(max(float(share), 0.0), 1.0) for share in plain)
    if not (left < right and top < bottom):  # also refuses NaN
        raise ValueError(plain)
    return left, top, right, bottom
