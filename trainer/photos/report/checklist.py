"""Checklist: a set of photos counted against the guide's targets (R1 to R4 and its list before training). Pure values.

What nobody could look at stays open; it never counts as good or bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...messages import Message
from ..folder import shown_path
from ..judging.variety import Kinds, kinds_of_light, kinds_of_outfit
from ..photo import Judgement, Photo, PhotoSet
from .captions import CaptionFacts
from .mix import EXPRESSION_TARGETS, MANNER_TARGETS, POSE_TARGETS, SHOT_TARGETS, Mix, Variety, mix_of

LONGEST_SIDE_PX = 1024
"""The guide's size for training photos (R9)."""
PROBLEMS = (
    "blurred", "grainy", "burnt", "low_resolution", "soft", "dark", "small_face", "marks", "several_people",
    "no_face", "face_unsure", "duplicate", "alike", "margins",
)  # fmt: skip
"""What can be wrong with a photo, the worst of its quality first."""
SERIOUS = ("blurred", "grainy", "burnt", "low_resolution")
"""Faults that the model learns."""
NOTED = ("soft", "dark", "small_face")
"""Faults of quality that are only named: a dark photo may be meant so."""
MIN_KINDS = 3
"""So many kinds of light and outfits count as several (our choice; the guide gives no number)."""
MAX_KIND_SHARE = 0.7
"""More of the photos in one kind of light, or one outfit, is little variety (our choice)."""
_KEYS_OF_PROBLEM = {
    "blurred": ("photos.face_blurred", "photos.picture_blurred"),
    "grainy": ("photos.grainy", "photos.very_grainy"),
    "burnt": ("photos.face_burnt",),
    "low_resolution": ("photos.low_resolution",),
    "soft": ("photos.face_soft", "photos.picture_soft"),
    "dark": ("photos.face_dark", "photos.picture_dark"),
    "small_face": ("photos.small_face",),
    "marks": (
        "photos.text_cut_found", "photos.text_paint_found", "photos.text_tiled", "photos.text_tiled_found",
        "photos.text_on_face", "photos.text_on_face_found", "photos.text_large", "photos.text_large_found",
        "photos.text_remains",
    ),
    "several_people": (
        "photos.several_people", "photos.people_crop_found", "photos.people_mask_found", "photos.people_close_found",
        "photos.people_too_close",
    ),
    "no_face": ("photos.no_face",),
    "face_unsure": ("photos.face_unsure",),
    "duplicate": ("photos.near_duplicate_found", "photos.near_duplicate_kept"),
    "alike": ("photos.looks_alike",),
    "margins": ("photos.crop_found", "photos.borders_found"),
}  # fmt: skip
"""Which sentences about a photo, of judging or of cleaning, tell of a problem that is still there."""


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """Photos counted."""

    names: tuple[str, ...]
    """Of all photos, in order."""
    shots: Mix
    poses: Mix
    expressions: Mix
    manners: Mix
    light: Variety
    outfits: Variety
    problems: Mapping[str, tuple[int, ...]]
    """Positions of the photos that have a problem, by its name in PROBLEMS; only those that there are."""
    num_unseen: int
    """Photos that no face detector has looked at."""
    longest_px: tuple[int, int]
    """The shortest and the longest of all longest sides."""
    num_too_long: int
    """Photos whose longest side is over the guide's 1024 px."""
    looked_for: tuple[str, ...]
    """The steps of cleaning that have looked at every photo."""
    num_unjudged: int
    """Photos whose quality nobody has measured."""
    captions: CaptionFacts | None
    """None where there are no captions yet."""

    def having(self, problem: str) -> list[str]:
        """The names of the photos that have a problem."""
        return [self.names[index] for index in self.problems.get(problem, ())]

    def problems_of(self, index: int) -> tuple[str, ...]:
        """What is wrong with one photo."""
        return tuple(problem for problem, positions in self.problems.items() if index in positions)


def check(photos: PhotoSet, captions: CaptionFacts | None = None) -> Checklist:
    """The checklist of photos that have been judged."""
    judged = [photo.judgement or Judgement(detector="none") for photo in photos.photos]
    longest_px = [max(photo.width_px, photo.height_px) for photo in photos.photos]
    return Checklist(
        names=tuple(shown_path(photo.source_path, photos.folder) for photo in photos.photos),
        shots=mix_of((one.shot for one in judged), SHOT_TARGETS),
        poses=mix_of((one.pose for one in judged), POSE_TARGETS),
        expressions=mix_of((one.expression for one in judged), EXPRESSION_TARGETS),
        manners=mix_of((one.manner for one in judged), MANNER_TARGETS),
        light=_variety(kinds_of_light(photos.photos)),
        outfits=_variety(kinds_of_outfit(photos.photos)),
        problems=_problems(photos.photos),
        num_unseen=sum(one.detector == "none" for one in judged),
        longest_px=(min(longest_px, default=0), max(longest_px, default=0)),
        num_too_long=sum(length > LONGEST_SIDE_PX for length in longest_px),
        looked_for=photos.looked_for,
        num_unjudged=sum(one.quality is None for one in judged),
        captions=captions,
    )


def _problems(photos: Sequence[Photo]) -> dict[str, tuple[int, ...]]:
    said = [{message.key for message in (*_findings(photo), *photo.done)} for photo in photos]
    found = {
        problem: [index for index, keys in enumerate(said) if not keys.isdisjoint(_KEYS_OF_PROBLEM[problem])]
        for problem in PROBLEMS
    }
    return {problem: tuple(indices) for problem, indices in found.items() if indices}


def _findings(photo: Photo) -> tuple[Message, ...]:
    return photo.judgement.findings if photo.judgement else ()


def _variety(kinds: Kinds) -> Variety:
    return Variety(
        sizes=tuple(len(group) for group in kinds.groups),
        unknown=len(kinds.unknown),
        min_kinds=MIN_KINDS,
        max_share=MAX_KIND_SHARE,
    )
