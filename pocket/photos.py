"""Writes the example photos: 24 of Mila to train on, 12 held out, 16 of other unseen people (the floor of likeness)."""

import random
import shutil
from pathlib import Path

from .figures import Figure, draw
from .people import MILA, UNSEEN_OTHERS, any_figure, base_scene

FRAMINGS_OF_24 = ("close",) * 11 + ("medium",) * 8 + ("full",) * 5
SIZES_PX = ((256, 256), (208, 288), (288, 208), (192, 256), (320, 256), (240, 320), (224, 224), (256, 192))


def write_photos(out_dir: Path, seed: int) -> None:
    """Replaces out_dir/mila, mila_held_out and others. The same seed gives the same files."""
    rng = random.Random(seed)
    _write(out_dir / "mila", [("mila", MILA, framing) for framing in FRAMINGS_OF_24], rng)
    _write(out_dir / "mila_held_out", [("mila", MILA, framing) for framing in FRAMINGS_OF_24[::2]], rng)
    known = [(name.lower(), figure) for name, figure in UNSEEN_OTHERS.items()] * 4
    strangers = [("stranger", any_figure(rng)) for _ in range(8)]
    framings = ("close", "medium", "full", "close")
    others = [(name, figure, framings[index // 2 % 4]) for index, (name, figure) in enumerate(known + strangers)]
    _write(out_dir / "others", others, rng)


def _write(folder: Path, photos: list[tuple[str, Figure, str]], rng: random.Random) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index, (name, figure, framing) in enumerate(rng.sample(photos, len(photos)), start=1):
        upright = [size for size in SIZES_PX if size[1] >= size[0]]
        size_px = rng.choice(upright if framing == "full" else SIZES_PX)
        draw(figure, base_scene(rng, framing), size_px).save(folder / f"{name}_{index:02}.jpg", quality=88)
