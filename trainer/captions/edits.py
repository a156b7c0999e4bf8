"""Caption edits: what the user has said by hand about captions, kept in the workflow as JSON and matched by content.

{"version": 1, "photos": {SHA-256 of the user's file: {"name", "caption", "feature", "faceless"}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..messages import Message, UserError
from ..photos.photo import Photo

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CaptionEdit:
    """What the user has said about one photo's caption."""

    name: str = ""
    """The file's name when it was said, to name it when the photo is gone."""
    caption: str | None = None
    """The whole caption; `[subject]` in it stands for the subject. None leaves it to files, models and the template."""
    feature: str | None = None
    """What is unusual in the photo, e.g. "ponytail"; empty for nothing. None leaves it to folders and models."""
    faceless: bool | None = None
    """Whether the photo shows no face; None where the user has not said."""


NO_EDIT = CaptionEdit()


@dataclass(frozen=True, kw_only=True)
class CaptionEdits:
    """The edits of a set of photos, by `photo_key`."""

    photos: Mapping[str, CaptionEdit] = field(default_factory=dict)

    def of(self, photo: Photo) -> CaptionEdit:
        """What was said about a photo."""
        return self.photos.get(photo_key(photo), NO_EDIT)


NO_EDITS = CaptionEdits()


def photo_key(photo: Photo) -> str:
    """What edits know a photo by: the SHA-256 of the user's own file, whatever it is called."""
    return photo.source_hash or photo.content_hash


def read_caption_edits(text: str) -> CaptionEdits:
    """The edits that the node's widget holds. Empty text means none. Raises UserError for text that is no edits."""
    if not text.strip():
        return NO_EDITS
    try:
        plain = json.loads(text)
        if plain["version"] != _VERSION:
            raise UserError("captions.edits_version", version=plain["version"], known=_VERSION)
        return CaptionEdits(photos={key: _edit(value) for key, value in plain["photos"].items()})
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("captions.edits_unreadable") from error


def gone_message(edits: CaptionEdits, photos: Sequence[Photo]) -> Message | None:
    """What to say about edits whose photos are gone; None where all are there."""
    there = {photo_key(photo) for photo in photos}
    names = [edit.name or key[:8] for key, edit in edits.photos.items() if key not in there]
    return Message("captions.edits_gone", {"count": len(names), "names": ", ".join(names[:3])}) if names else None


def _edit(plain: Mapping[str, object]) -> CaptionEdit:
    faceless = plain.get("faceless")
    if not isinstance(faceless, bool | None):
        raise TypeError
    return CaptionEdit(
        name=_text(plain.get("name")) or "",
        caption=_text(plain.get("caption")),
        feature=_text(plain.get("feature")),
        faceless=faceless,
    )


def _text(value: object) -> str | None:
    """A text or none, without the halves of letters that a browser may leave of emoji: no file can hold those."""
    if not isinstance(value, str | None):
        raise TypeError
    return None if value is None else value.encode("utf-8", "replace").decode("utf-8")
