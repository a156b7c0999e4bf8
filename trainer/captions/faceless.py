"""Faceless: whether a photo shows a face as far as anybody knows, and whether a caption says that it shows none."""

from __future__ import annotations

import re

from ..photos.judging.findings import FACES_KEY
from ..photos.judging.judge import NO_DETECTOR
from ..photos.photo import Photo

SAYINGS = re.compile(
    r"\b(?:without (?:a |an |the |any |her |his |their )?face|no face|faceless)\b"
    r"(?! (?:mask|paint|shield|cover|tattoo|piercing|hair|jewel|veil))"
    r"|\b(?:no |without (?:a )?)visible face\b|\bheadless\b"
    r"|\bface (?:is )?(?:not (?:visible|shown|seen|in (?:the )?(?:frame|picture))"
    r"|out of (?:the )?frame|cropped (?:out|off))\b"
    r"|脸部?(?:没有?|未)(?:露出|拍到|入镜)|(?:没有?|未)拍到脸"
    r"|(?:没有?|不|未)露(?:出)?脸|看不[到见清](?:人)?脸|没有?(?:人)?脸(?![红上颊蛋])|无脸",
    re.IGNORECASE,
)


def face_in(photo: Photo) -> bool | None:
    """Whether a photo shows a face: the user's word on CleanAndResize, else the detector's where it is sure.

    None where nobody looked, and where a face was found that the detector is not sure of.
    """
    judgement = photo.judgement
    if judgement is None:
        return None
    if FACES_KEY in judgement.labelled or any(face.is_sure for face in judgement.faces):
        return bool(judgement.faces)
    return None if judgement.detector == NO_DETECTOR or judgement.faces else False


def user_says_face(photo: Photo) -> bool | None:
    """What the user has said on CleanAndResize of a face in the photo; None for nothing."""
    judgement = photo.judgement
    return bool(judgement.faces) if judgement and FACES_KEY in judgement.labelled else None


def says_faceless(caption: str, wording: str = "") -> bool:
    """Whether a caption says that there is no face, in the given words or in usual ones."""
    wording = wording.strip().casefold()
    return bool((wording and wording in caption.casefold()) or SAYINGS.search(caption))
