"""Photos for the report's tests: values with the findings that a test wants, and files to show for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from trainer.messages import Message
from trainer.photos.photo import UNKNOWN, Judgement, Photo, PhotoSet, Quality

SHARP = Quality(
    sharpness=120, blur=0.3, noise=0.8, brightness=120, highlights=210, clipped=0, face_height_px=210,
    measured_on="face",
)  # fmt: skip


def judged(
    path: Path,
    *,
    shot: str = UNKNOWN,
    pose: str = UNKNOWN,
    manner: str = UNKNOWN,
    expression: str = UNKNOWN,
    labelled: tuple[str, ...] = (),
    findings: Sequence[Message] = (),
    done: Sequence[Message] = (),
    detector: str = "by hand",
    size_px: tuple[int, int] = (1024, 768),
) -> Photo:
    """A photo that somebody has judged."""
    judgement = Judgement(
        detector=detector,
        shot=shot,
        pose=pose,
        manner=manner,
        expression=expression,
        labelled=labelled,
        quality=SHARP,
        findings=tuple(findings),
    )
    name_hash = hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()
    return Photo(
        path=path,
        source_path=path,
        width_px=size_px[0],
        height_px=size_px[1],
        content_hash=name_hash,
        source_hash=name_hash,
        judgement=judgement,
        done=tuple(done),
    )


def set_of_shots(shots: Sequence[str], folder: Path = Path("photos")) -> PhotoSet:
    """One photo per shot; no file exists."""
    photos = tuple(judged(folder / f"{index:03d}.jpg", shot=shot) for index, shot in enumerate(shots))
    return PhotoSet(folder=folder, photos=photos)


def make_file(path: Path, color: tuple[int, int, int] = (150, 120, 90), size_px: tuple[int, int] = (64, 48)) -> Path:
    """A picture file of one color."""
    Image.new("RGB", size_px, color).save(path)
    return path
