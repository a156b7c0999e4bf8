"""Photo and PhotoSet: what the first two stages hand on. Paths and findings only; pixels are read when needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..messages import Message

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares (0..1) of an upright picture's width and height; scaling does not change it."""
Point = tuple[float, float]
"""x and y as shares (0..1) of an upright picture's width and height."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

UNKNOWN = "unknown"
"""What a finding says where nobody could look; never a guess."""
SHOTS = ("close-up", "medium", "full body")
POSES = ("front", "three-quarter", "profile", "back")
EXPRESSIONS = ("neutral", "smiling", "mouth open", "eyes closed")
MANNERS = ("natural", "posed")


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face in a picture, as a detector describes it."""

    box: Box
    """From brow to chin. Parts may lie outside of the picture (below 0 or above 1) where a face is cut off."""
    confidence: float
    """The detector's own, 0..1."""
    landmarks: tuple[Point, ...] = ()
    """Left eye, right eye, tip of the nose, left and right corner of the mouth, as seen in the picture."""
    yaw_deg: float | None = None
    """How far the head is turned: 0 looks at the camera, positive to the picture's right; None if not measured."""
    pitch_deg: float | None = None
    roll_deg: float | None = None
    expression: str = UNKNOWN
    """One of EXPRESSIONS, where the detector tells."""
    retried: bool = False
    """Found only in a changed copy of the picture (mirrored, turned, greyed): likely, but the user should look."""
    confirmed: bool = False
    """The user has pointed at it."""

    @property
    def is_sure(self) -> bool:
        """Whether the face counts: the user has confirmed it, or the detector is sure without having looked twice."""
        return self.confirmed or (self.confidence >= 0.9 and not self.retried)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good a picture is, measured on the subject's face where one was found, else on the whole picture."""

    sharpness: float
    """Variance of the Laplacian in thousandths of the luma's own, the noise's share taken out; higher is sharper."""
    blur: float
    """0 sharp to 1 blurred (Crete et al. 2007)."""
    noise: float
    """Standard deviation of the grain, in 8-bit levels."""
    brightness: float
    """Median luma, 0..255."""
    highlights: float
    """The luma that 5 % of the pixels exceed, 0..255."""
    clipped: float
    """Share of pixels that are burnt out."""
    face_height_px: int | None = None
    """Height of the subject's face in the picture's own pixels; None without a face."""
    measured_on: str = "picture"
    """`face` or `picture`."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a photo shows. Where there was no detector, or it found nothing, findings are `unknown`, not guessed."""

    detector: str
    """Which face detector looked: its name, or `none`."""
    faces: tuple[Face, ...] = ()
    """The subject's first, then the others by size."""
    found: tuple[Face, ...] = ()
    """All that the detector found, the largest first, whatever the user says about it."""
    shot: str = UNKNOWN
    """One of SHOTS."""
    pose: str = UNKNOWN
    """One of POSES."""
    expression: str = UNKNOWN
    manner: str = UNKNOWN
    """`natural` or `posed`; only people can tell."""
    labelled: tuple[str, ...] = ()
    """Which of these findings the user has set by hand."""
    quality: Quality | None = None
    lighting: tuple[float, ...] = ()
    """Colour statistics of the light on the face, comparable between photos (judging/variety.py)."""
    outfit: tuple[float, ...] = ()
    """Colour statistics of the clothes, comparable between photos."""
    picture_hash: str = ""
    """Tells pictures that look alike (judging/duplicates.py)."""
    findings: tuple[Message, ...] = ()
    """What is worth saying about this photo, each with its number."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo of the user's, or our working copy of it."""

    path: Path
    """The file to read: the user's own, or the working copy that cleaning made of it."""
    source_path: Path
    """The user's own file, which is never written."""
    width_px: int
    """Width as seen upright, in pixels."""
    height_px: int
    """Height as seen upright, in pixels."""
    content_hash: str
    """SHA-256 of the bytes of `path`."""
    source_hash: str = ""
    """SHA-256 of the bytes of `source_path`: what the user's edits are matched by."""
    shown_part: Box = WHOLE
    """The part of `source_path` that `path` shows. A cleaning step that crops says it here; masks are cropped alike."""
    judgement: Judgement | None = None
    """What `path` shows, once somebody has looked."""
    done: tuple[Message, ...] = ()
    """What cleaning has done to it, or would do, in order."""
    record_path: Path | None = None
    """Our JSON file with all that cleaning found out about it (cleaning/working_copies.py); None before cleaning."""

    @property
    def is_working_copy(self) -> bool:
        """Whether `path` is a file of ours, beside which we may write."""
        return self.path != self.source_path

    @property
    def faces(self) -> tuple[Box, ...]:
        """Where the subject's face is in `path`, as far as a detector was asked; empty if there is none."""
        return tuple(face.box for face in self.judgement.faces[:1]) if self.judgement else ()


@dataclass(frozen=True, kw_only=True)
class RejectedFile:
    """A file in the folder that is not used, and why."""

    path: Path
    reason: Message


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A good file that cleaning leaves out, and why. The user can take it back."""

    photo: Photo
    reason: Message
    by_hand: bool = False
    """Whether the user did it."""


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """The photos of one person, in natural order of their names."""

    folder: Path
    photos: tuple[Photo, ...]
    rejected: tuple[RejectedFile, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    looked_for: tuple[str, ...] = ()
    """The steps of cleaning that have looked at every photo, by their names in CleanConfig."""
    warnings: tuple[Message, ...] = ()
