"""The template: how one photo's caption is put together. Reads no files."""

from __future__ import annotations

from dataclasses import dataclass

from ..photos.photo import Photo
from .config import ASK, CLASS, FEATURE, FEATURES, FULL, IGNORE, SET, SUBJECT, CaptionConfig
from .dataset import EDIT, TEMPLATE, VISION, CaptionedPhoto
from .edits import NO_EDIT, CaptionEdit
from .faceless import face_in, says_faceless, user_says_face
from .features import NO_WORD, FolderWord, split_features
from .sources.own import OwnCaption, one_line
from .wording import wording_for


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a photo before its caption is put together."""

    own: OwnCaption | None = None
    """What the user wrote."""
    folder: FolderWord = NO_WORD
    seen: str = ""
    """What a vision model said: features, or a sentence (CaptionConfig.vision); empty for nothing."""


NOTHING_KNOWN = Known()


def caption_of(
    photo: Photo, config: CaptionConfig, edit: CaptionEdit = NO_EDIT, known: Known = NOTHING_KNOWN
) -> CaptionedPhoto:
    """The photo with its caption: the user's edit, else the user's file, else a model's sentence, else the template.

    The last two are completed by what is unusual and by a missing face; the user's file by what the edit says of these,
    and the edit's own caption by nothing. A text with `[feature]` asks for all of it.
    """
    text, origin = _base(config, edit, known)
    is_open = origin in (TEMPLATE, VISION) or FEATURE in text
    answer = _answer(photo, config, edit, known) if is_open else edit.faceless
    features: tuple[str, ...] = ()
    is_faceless = False
    if is_open or origin != EDIT:
        features = split_features(_features(config, edit, known if is_open else NOTHING_KNOWN))
        is_faceless = answer is True
    wording = wording_for(text, config)
    caption = filled(wording.completed(text, features, is_faceless=is_faceless), config)
    face = face_in(photo) if edit.faceless is None else not edit.faceless
    says_so = says_faceless(caption, wording.faceless)
    return CaptionedPhoto(
        photo=photo,
        caption=caption,
        plain=caption if edit == NO_EDIT else caption_of(photo, config, NO_EDIT, known).caption,
        origin=origin,
        feature=wording.bare(features),
        is_faceless=says_so,
        face=face,
        asks_face=is_open and face is False and answer is None and config.faceless_photos == ASK and not says_so,
    )


def wants_look(config: CaptionConfig, edit: CaptionEdit, known: Known) -> bool:
    """Whether a vision model has a say in a photo's caption: neither the user nor a folder has settled it."""
    if (edit.caption and edit.caption.strip()) or known.own is not None:
        return False
    return config.vision == FULL or (edit.feature is None and not known.folder.feature)


def filled(text: str, config: CaptionConfig) -> str:
    """The text with the subject and the class word in their places, on one line that can be written as UTF-8."""
    whole = one_line(text.replace(SUBJECT, one_line(config.subject)).replace(CLASS, one_line(config.class_word)))
    return whole.encode("utf-8", "replace").decode("utf-8")


def _base(config: CaptionConfig, edit: CaptionEdit, known: Known) -> tuple[str, str]:
    """The text that a caption begins with, and its origin. An edit without a letter is none."""
    if edit.caption is not None and edit.caption.strip():
        return one_line(edit.caption), EDIT
    if known.own is not None:
        return one_line(known.own.text), known.own.origin
    if config.vision == FULL and known.seen.strip():
        return one_line(known.seen), VISION
    return one_line(config.template), TEMPLATE


def _features(config: CaptionConfig, edit: CaptionEdit, known: Known) -> str:
    """What is unusual: as the user says, else the folder, else the model."""
    if edit.feature is not None:
        return edit.feature
    return known.folder.feature or (known.seen if config.vision == FEATURES else "")


def _answer(photo: Photo, config: CaptionConfig, edit: CaptionEdit, known: Known) -> bool | None:
    """Whether the caption is to say that there is no face; None where the user is to be asked, or nobody could tell."""
    if edit.faceless is not None:
        return edit.faceless
    if known.folder.is_faceless:
        return True
    if config.faceless_photos == IGNORE:
        return False
    said = user_says_face(photo)
    if said is not None:
        return not said
    return True if config.faceless_photos == SET and face_in(photo) is False else None
