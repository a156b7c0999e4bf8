"""Planted borders: bars of known size around photographs, and how many of them are found.

python -m tests.trainer.planted_borders      prints the table for NOTES.md
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps

from trainer.photos.cleaning.borders import find_borders
from trainer.photos.photo import WHOLE, Box
from trainer.photos.view import VIEW_PX

PLANTED = {
    "letterbox": ((0, 60, 0, 60), (0, 0, 0), 95),
    "pillarbox": ((80, 0, 80, 0), (0, 0, 0), 95),
    "frame, white": ((30, 30, 30, 30), (255, 255, 255), 95),
    "frame, polaroid": ((25, 25, 25, 120), (250, 250, 248), 95),
    "letterbox in a pillarbox": ((90, 60, 90, 60), (2, 2, 2), 95),
    "thin letterbox": ((0, 8, 0, 8), (0, 0, 0), 95),
    "unequal bars": ((0, 20, 0, 90), (0, 0, 0), 95),
    "letterbox, JPEG 40": ((0, 60, 0, 60), (5, 5, 5), 40),
}
"""Name: bars left, top, right and bottom in pixels, their colour, the quality of the JPEG that it then was."""
_PHOTOGRAPHS = {
    "skimage": (
        "astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "brick.png", "grass.png", "cell.png",
        "coins.png", "moon.png", "page.png", "text.png", "motorcycle_left.png", "hubble_deep_field.jpg", "retina.jpg",
        "ihc.png", "logo.png", "gravel.png", "clock_motion.png",
    ),
    "sklearn": ("china.jpg", "flower.jpg"),
}  # fmt: skip
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
HAVE_BARS = {"retina.jpg", "logo.png"}
"""A round picture on black, and one drawing; what is right for them is open."""


def photographs() -> Iterator[tuple[str, Image.Image]]:
    """The photographs that scikit-image and scikit-learn bring, as views; the thresholds were tuned on none of them."""
    for package, names in _PHOTOGRAPHS.items():
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            continue
        for name in names:
            path = Path(found.origin).parent / _FOLDERS[package] / name
            if path.exists() and name not in HAVE_BARS:
                with Image.open(path) as image:
                    view = image.convert("RGB")
                view.thumbnail((VIEW_PX, VIEW_PX))
                yield name, view


def planted(kind: str, photograph: Image.Image) -> tuple[Image.Image, Box]:
    """The photograph between bars, as a JPEG that was saved and read, and where the photograph is in it, in shares."""
    (left, top, right, bottom), colour, quality = PLANTED[kind]
    framed = ImageOps.expand(photograph, (left, top, right, bottom), colour)
    saved = io.BytesIO()
    framed.save(saved, format="JPEG", quality=quality)
    width, height = framed.size
    inner = left / width, top / height, 1 - right / width, 1 - bottom / height
    return Image.open(saved).convert("RGB"), inner


def is_right(found: Box, inner: Box) -> bool:
    """Whether the bars are gone whole, and at most 1.5 % of a side more."""
    more = (found[0] - inner[0], found[1] - inner[1], inner[2] - found[2], inner[3] - found[3])
    return all(-1e-6 <= share < 0.015 for share in more)


def main() -> None:
    """Print the table."""
    clean = list(photographs())
    false = [name for name, picture in clean if find_borders(picture) != WHOLE]
    print("| planted | photos | found and cut whole | cut short or not found |")
    print("|---|---|---|---|")
    for kind in PLANTED:
        cases = [(name, *planted(kind, picture)) for name, picture in clean]
        wrong = [name for name, picture, inner in cases if not is_right(find_borders(picture), inner)]
        print(f"| {kind} | {len(cases)} | {len(cases) - len(wrong)} | {', '.join(wrong)} |")
    blurred = [picture.filter(ImageFilter.GaussianBlur(3)) for _, picture in clean]
    print(f"| none: false alarms | {len(clean)} | {len(false)} | {', '.join(false)} |")
    print(f"| none, blurred: false alarms | {len(blurred)} | {sum(find_borders(one) != WHOLE for one in blurred)} | |")


if __name__ == "__main__":
    main()
