"""CleanConfig: what cleaning does to photos. Each step is off, told about (`report`), or done (`apply`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...settings import check_settings, setting

OFF, REPORT, APPLY = CHOICES = ("off", "report", "apply")


def _step(default: str, doc: str, *, advanced: bool = False) -> Any:
    return setting(default, doc, choices=CHOICES, advanced=advanced)


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """How photos become working copies. Raises UserError for a value out of its limits."""

    longest_side_px: int = setting(
        1024,
        "Larger photos are scaled down until their longest side is this long, in pixels. Smaller ones keep their size.",
        low=256,
        high=4096,
        step=64,
    )
    duplicates: str = _step(APPLY, "Of photos that show the same picture, keep the best and set the others aside.")
    borders: str = _step(APPLY, "Cut off black or white bars.")
    text_marks: str = _step(
        APPLY,
        "Watermarks and text laid over the photo: cut off at the rim, painted over where small and off the face, "
        "else the photo is set aside. Text that belongs to the scene stays. Needs rapidocr.",
    )
    other_people: str = _step(
        APPLY, "Other persons: cropped away, else masked if a SAM3 model is connected, else the photo is set aside."
    )
    crop: str = _step(APPLY, "Crop wide margins around the person; the whole face and the kind of shot stay.")
    background: str = setting(
        "keep",
        "Keep the background, blur it, or make it plain. Blur and plain need a background removal model.",
        choices=("keep", "blur", "plain"),
    )
    enhance_faces: str = _step(
        OFF, "Restore faces that are soft or small, and nothing else. Needs a face restorer or an upscale model."
    )
    enhance_strength: float = setting(
        0.4, "How much of the restored face is mixed in.", low=0.1, high=0.5, step=0.05, advanced=True
    )
    sharpen: str = _step(OFF, "Sharpen moderately after scaling down; skin texture stays.", advanced=True)
    min_side_px: int = setting(
        768,
        "Cropping leaves the longest side at least this long, in pixels.",
        low=256,
        high=4096,
        step=64,
        advanced=True,
    )
    file_format: str = setting("png", "The working copies' format.", choices=("png", "jpeg"), advanced=True)

    def __post_init__(self) -> None:
        check_settings(self)
