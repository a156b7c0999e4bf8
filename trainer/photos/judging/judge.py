"""Judge: what a photo shows and how good it is, put together from the detector, the measures and the user's word.

Looking at pixels is kept on disk by content; what the user has said by hand is applied afterwards, so that another
label, or another face pointed at, costs no second look.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ...messages import Message
from ..edits import Edits, PhotoEdit
from ..faces.detector import FaceDetector
from ..folder import shown_path
from ..memo import Memo
from ..photo import UNKNOWN, Face, Judgement, Photo, PhotoSet, Quality
from ..plain import faces_from_json
from ..room import memory_of
from ..threads import Progress, in_threads, unheard
from ..view import VIEW_PX, read_view
from .duplicates import hash_picture
from .findings import FACES_KEY, findings_of
from .framing import labelled, pose_of, shot_of, subject_first
from .quality import measure_quality
from .variety import Signature, light_on, outfit_below

_VERSION = 1
"""Raised whenever the same picture would be measured otherwise, so that old findings are not reused."""
NO_DETECTOR = "none"


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What was measured on one face, or (`face` None) on the picture as a whole."""

    face: Face | None
    quality: Quality
    lighting: Signature
    outfit: Signature


@dataclass(frozen=True, kw_only=True)
class _Look:
    """All that was seen in a picture, whoever the subject is."""

    detector: str
    picture_hash: str
    aspect: float
    """Width over height."""
    measured: tuple[_Measured, ...]

    @property
    def found(self) -> tuple[Face, ...]:
        return tuple(one.face for one in self.measured if one.face is not None)

    def tells_of_subject(self, edit: PhotoEdit) -> bool:
        """Whether the subject's face was measured, or the whole picture where it has none."""
        return bool(subject_first(self.found, edit)) or self.of(None) is not None

    def of(self, face: Face | None) -> _Measured | None:
        """What was measured on a face, or on the whole picture; None if that was not needed."""
        for one in self.measured:
            if (one.face.box if one.face else None) == (face.box if face else None):
                return one
        return None


def judge(view: Image.Image, photo: Photo, detector: FaceDetector | None, edit: PhotoEdit) -> Judgement:
    """What a photo shows. `view` is all of it, RGB, no side longer than VIEW_PX."""
    return _judged(_look_at(view, photo, detector, edit), photo, edit)


def judge_photos(
    photos: PhotoSet, detector: FaceDetector | None, edits: Edits, memo: Memo, progress: Progress = unheard
) -> PhotoSet:
    """The photos with what each shows. A photo seen before is not read again. Raises UserError if one has gone."""
    name = detector.name if detector else NO_DETECTOR

    def judged(photo: Photo) -> Photo:
        key = ("look", _VERSION, name, photo.content_hash)
        edit = edits.of(photo)
        look = _look_from_json(memo.get(*key))
        if look is None or not look.tells_of_subject(edit):
            look = _look_at(read_view(photo.path), photo, detector, edit)
            memo.put(dataclasses.asdict(look), *key)
        return dataclasses.replace(photo, judgement=_judged(look, photo, edit))

    def doing(photo: Photo) -> Message:
        return Message("photos.doing_look", {"name": shown_path(photo.source_path, photos.folder)})

    made = in_threads(judged, photos.photos, progress, doing, num_bytes=memory_of)
    return dataclasses.replace(photos, photos=tuple(made))


def judge_again(image: Image.Image, judgement: Judgement) -> Judgement:
    """The judgement with what can be measured anew on a finished picture whose faces are known; no detector is asked.

    `image` is RGB and of its final size; the judgement's faces are in shares of it.
    """
    view = image
    if max(image.size) > VIEW_PX:
        view = image.copy()
        view.thumbnail((VIEW_PX, VIEW_PX), Image.Resampling.LANCZOS)
    measured = _measure(view, image.height, judgement.faces[0] if judgement.faces else None)
    again = dataclasses.replace(
        judgement,
        quality=measured.quality,
        lighting=measured.lighting,
        outfit=measured.outfit,
        picture_hash=hash_picture(view).text,
    )
    return dataclasses.replace(again, findings=findings_of(again, *image.size))


def _look_at(view: Image.Image, photo: Photo, detector: FaceDetector | None, edit: PhotoEdit) -> _Look:
    faces = detector.find(view) if detector else ()
    measured: list[Face | None] = list(faces) if subject_first(faces, edit) else [*faces, None]
    return _Look(
        detector=detector.name if detector else NO_DETECTOR,
        picture_hash=hash_picture(view).text,
        aspect=view.width / view.height,
        measured=tuple(_measure(view, photo.height_px, face) for face in measured),
    )


def _measure(view: Image.Image, height_px: int, face: Face | None) -> _Measured:
    box = face.box if face else None
    return _Measured(
        face=face,
        quality=measure_quality(view, box, height_px),
        lighting=light_on(view, box),
        outfit=outfit_below(view, box),
    )


def _judged(look: _Look, photo: Photo, edit: PhotoEdit) -> Judgement:
    """What was seen, as the user says it is to be taken."""
    faces = subject_first(look.found, edit)
    subject = faces[0] if faces else None
    measured = look.of(subject)
    assert measured is not None
    judgement = Judgement(
        detector=look.detector,
        faces=faces,
        found=look.found,
        shot=shot_of(subject) if subject else UNKNOWN,
        pose=pose_of(subject, look.aspect) if subject else UNKNOWN,
        expression=subject.expression if subject else UNKNOWN,
        quality=measured.quality,
        lighting=measured.lighting,
        outfit=measured.outfit,
        picture_hash=look.picture_hash,
    )
    judgement = labelled(judgement, edit)
    if edit.no_face or (subject and subject.confirmed):
        judgement = dataclasses.replace(judgement, labelled=(*judgement.labelled, FACES_KEY))
    return dataclasses.replace(judgement, findings=findings_of(judgement, photo.width_px, photo.height_px))


def _look_from_json(plain: Mapping[str, Any] | None) -> _Look | None:
    """A look from its fields as JSON; None for what is none."""
    try:
        return None if plain is None else _Look(**{**plain, "measured": tuple(map(_measured, plain["measured"]))})
    except (KeyError, TypeError):
        return None


def _measured(plain: Mapping[str, Any]) -> _Measured:
    return _Measured(
        face=faces_from_json([plain["face"]])[0] if plain["face"] else None,
        quality=Quality(**plain["quality"]),
        lighting=tuple(plain["lighting"]),
        outfit=tuple(plain["outfit"]),
    )
