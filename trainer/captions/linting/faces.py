"""Faces: captions that say there is no face where there is one, the other way round, and what only the user knows."""

from __future__ import annotations

from collections.abc import Iterator

from ...messages import name_some
from ..config import IGNORE
from ..dataset import EDIT, TEMPLATE, CaptionedPhoto, Finding
from ..edits import CaptionEdit
from ..faceless import SAYINGS, says_faceless
from ..wording import wording_for
from .given import Given, fix, key_of
from .removal import tidy
from .words import face_words


def faceless_question(given: Given) -> Iterator[Finding]:
    """Photos in which no face was found: detectors miss some, so the user is asked."""
    asked = [item for item in given.items if item.asks_face]
    if asked:
        yield given.finding(
            "faceless_question",
            asked,
            fix("captions.fix.faceless", {key_of(item): CaptionEdit(faceless=True) for item in asked}),
            fix("captions.fix.has_face", {key_of(item): CaptionEdit(faceless=False) for item in asked}),
        )


def faceless_although_found(given: Given) -> Iterator[Finding]:
    """Captions that say there is no face, of photos in which one was found."""
    wrong = [item for item in given.items if item.is_faceless and item.face is True]
    if wrong:
        yield given.finding(
            "faceless_wrong",
            wrong,
            fix("captions.fix.drop_faceless", {key_of(item): _without_saying(item, given) for item in wrong}),
            fix("captions.fix.keep_faceless", {key_of(item): CaptionEdit(faceless=True) for item in wrong}),
        )


def face_told_but_not_found(given: Given) -> Iterator[Finding]:
    """Captions that speak of a face, of photos in which none was found: the detector may have missed it."""
    if given.config.faceless_photos == IGNORE:
        return
    told = [item for item in given.items if _speaks_of_missing_face(item)]
    if told:
        edits = {
            key_of(item): _without_saying(item, given) if item.is_faceless else CaptionEdit(faceless=False)
            for item in told
        }
        examples = name_some(list(dict.fromkeys(face_words(item.caption) for item in told)))
        yield given.finding("face_told", told, fix("captions.fix.has_face", edits), words=examples)


def faceless_not_told(given: Given) -> Iterator[Finding]:
    """Captions that the user wrote, of photos in which no face was found, that say nothing of it."""
    if given.config.faceless_photos == IGNORE:
        return
    silent = [
        item
        for item in given.items
        if item.face is False and not (item.is_faceless or item.asks_face or _speaks_of_missing_face(item))
    ]
    if silent:
        yield given.finding(
            "faceless_not_told",
            silent,
            fix("captions.fix.faceless", {key_of(item): _with_saying(item, given) for item in silent}),
            fix("captions.fix.has_face", {key_of(item): CaptionEdit(faceless=False) for item in silent}),
        )


def _speaks_of_missing_face(item: CaptionedPhoto) -> bool:
    return item.face is False and not item.asks_face and bool(face_words(item.caption))


def _without_saying(item: CaptionedPhoto, given: Given) -> CaptionEdit:
    """The edit after which a caption no longer says that there is no face, and the photo counts as one with a face."""
    wording = wording_for(item.caption, given.config).faceless
    if item.origin == TEMPLATE and not any(
        says_faceless(text, wording) for text in (item.feature, given.config.template)
    ):
        return CaptionEdit(faceless=False)
    text = item.caption
    while (at := text.casefold().find(wording.casefold())) >= 0 and len(text.casefold()) == len(text):
        text = f"{text[:at]}\0{text[at + len(wording) :]}"
    text = tidy(SAYINGS.sub("\0", text))
    return CaptionEdit(caption=text or given.template_caption, faceless=False)


def _with_saying(item: CaptionedPhoto, given: Given) -> CaptionEdit:
    """The edit after which a caption says that there is no face."""
    if item.origin != EDIT:
        return CaptionEdit(faceless=True)
    told = wording_for(item.caption, given.config).completed(item.caption, (), is_faceless=True)
    return CaptionEdit(caption=told, faceless=True)
