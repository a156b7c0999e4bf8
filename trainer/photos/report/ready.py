"""Ready: what a report is about, with findings for every photo, whatever node the photos come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ...captions.dataset import Dataset
from ..edits import Edits, PhotoEdit
from ..faces.detector import FaceDetector
from ..judging.duplicates import set_aside_duplicates
from ..judging.findings import FACES_KEY
from ..judging.judge import judge_photos
from ..memo import Memo
from ..photo import Photo, PhotoSet
from ..threads import Progress
from .captions import CaptionFacts, look_at_captions

_LABELS = ("shot", "pose", "expression", "manner")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a report is about."""

    photos: PhotoSet
    """Every photo judged."""
    captions: CaptionFacts | None
    """None where there are no captions yet."""


def make_ready(given: PhotoSet | Dataset, detector: FaceDetector | None, memo: Memo, progress: Progress) -> Subject:
    """The photos with what was found in them, by cleaning or now; none is changed or left out.

    Photos are judged now if nobody has judged them, or if nobody could look for faces then and there is a detector now.
    Raises UserError for a photo that has gone.
    """
    photos = given if isinstance(given, PhotoSet) else _photos_of(given)
    photos = _judged(photos, detector, memo, progress)
    if "duplicates" not in photos.looked_for:
        photos = set_aside_duplicates(photos, "report", Edits(), memo, progress)
        photos = dataclasses.replace(photos, looked_for=(*photos.looked_for, "duplicates"))
    captions = None
    if isinstance(given, Dataset):
        texts = [captioned.caption for captioned in given.photos]
        captions = look_at_captions(texts, given.subject, given.findings)
    return Subject(photos=photos, captions=captions)


def _photos_of(dataset: Dataset) -> PhotoSet:
    photos = tuple(captioned.photo for captioned in dataset.photos)
    if dataset.photo_set is not None:
        return dataclasses.replace(dataset.photo_set, photos=photos, warnings=dataset.warnings)
    return PhotoSet(folder=photos[0].source_path.parent, photos=photos, warnings=dataset.warnings)


def _judged(photos: PhotoSet, detector: FaceDetector | None, memo: Memo, progress: Progress) -> PhotoSet:
    blind = tuple(photo for photo in photos.photos if _is_blind(photo, detector))
    if not blind:
        return photos
    labels = {photo.source_hash or photo.content_hash: _labels_of(photo) for photo in blind}
    judged = judge_photos(dataclasses.replace(photos, photos=blind), detector, Edits(photos=labels), memo, progress)
    seen = {photo.path: photo for photo in judged.photos}
    return dataclasses.replace(photos, photos=tuple(seen.get(photo.path, photo) for photo in photos.photos))


def _is_blind(photo: Photo, detector: FaceDetector | None) -> bool:
    return photo.judgement is None or (photo.judgement.detector == "none" and detector is not None)


def _labels_of(photo: Photo) -> PhotoEdit:
    """What the user has said about it, as far as it shows in the judgement."""
    found = photo.judgement
    by_hand = [name for name in _LABELS if found and name in found.labelled]
    has_no_face = found is not None and FACES_KEY in found.labelled and not found.faces
    return PhotoEdit(labels={name: str(getattr(found, name)) for name in by_hand}, no_face=has_no_face)
