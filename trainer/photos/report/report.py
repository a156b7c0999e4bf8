"""Report: photos or a dataset counted against the guide, as a picture and as text. Changes and stops nothing."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from ...captions.dataset import Dataset
from ..faces.detector import FaceDetector
from ..memo import Memo
from ..photo import PhotoSet
from ..threads import Progress, unheard
from .checklist import check
from .picture import draw_report
from .ready import make_ready
from .text import describe_report


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a user is shown about a set."""

    picture: Image.Image
    """RGB, 1600 px wide."""
    text: str


def make_report(
    given: PhotoSet | Dataset, detector: FaceDetector | None, memo: Memo, language: str, progress: Progress = unheard
) -> Report:
    """The report in a language. Photos that nobody has judged are judged first; findings are kept in `memo`.

    Raises UserError if such a photo has gone.
    """
    ready = make_ready(given, detector, memo, progress)
    checklist = check(ready.photos, ready.captions)
    return Report(
        picture=draw_report(ready.photos, checklist, language),
        text=describe_report(ready.photos, checklist, language),
    )
