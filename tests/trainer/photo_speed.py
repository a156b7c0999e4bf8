"""How long photos take from the folder to working copies, and how much memory: prints a table for NOTES.md.

    python -m tests.trainer.photo_speed --photos 80 [--photos 800] [--without text faces]

Photos are made first, in a temporary folder: 12 megapixels, JPEG, textured and noisy as from a camera, a real face in
each. Detectors are those that are installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.cli.prepare import installed_tools
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.load import load_photos
from trainer.photos.memo import Memo

SIZE_PX = (4000, 3000)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a run took."""

    num_photos: int
    load_s: float
    clean_s: float
    cpu_s: float
    """Of all threads together."""
    peak_mb: float
    """How much the process grew at most, beyond what it was before."""
    num_kept: int

    @property
    def wall_s(self) -> float:
        return self.load_s + self.clean_s


def main() -> None:
    """Make photos, prepare them twice, print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, action="append")
    parser.add_argument("--without", nargs="*", default=[], choices=["text", "faces"])
    chosen = parser.parse_args()
    config = CleanConfig(text_marks="off" if "text" in chosen.without else "apply")
    tools = installed_tools(config, with_faces="faces" not in chosen.without)
    print(f"tools: {', '.join(name for name in tools.names if name != 'none') or 'none'}; {os.cpu_count()} cores")
    print("| photos | run | load | judge and clean | together | CPU | per photo (wall / CPU) | memory | kept |")
    print("|---|---|---|---|---|---|---|---|---|")
    for num_photos in chosen.photos or [80]:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(Path(folder) / "photos", num_photos)
            for run in ("first", "again"):
                print(_row(run, prepare(Path(folder), config, tools)), flush=True)


def make_photos(folder: Path, num_photos: int, size_px: tuple[int, int] = SIZE_PX, seed: int = 0) -> None:
    """Camera-like JPEGs, no two alike: soft shapes, fine grain, and an astronaut somewhere."""
    import skimage.data

    folder.mkdir(parents=True, exist_ok=True)
    person = Image.fromarray(skimage.data.astronaut())
    draw = np.random.default_rng(seed)
    grain = draw.integers(-12, 13, (size_px[1] + 512, size_px[0] + 512), dtype=np.int16)
    for index in range(num_photos):
        coarse = Image.fromarray(draw.integers(30, 226, (9, 12, 3), dtype=np.uint8))
        picture = coarse.resize(size_px, Image.Resampling.BICUBIC)
        side_px = int(draw.uniform(0.3, 0.9) * size_px[1])
        place = int(draw.integers(0, size_px[0] - side_px)), int(draw.integers(0, size_px[1] - side_px))
        picture.paste(person.resize((side_px, side_px), Image.Resampling.LANCZOS), place)
        left, top = draw.integers(0, 512, 2).tolist()
        grained = np.asarray(picture) + grain[top : top + size_px[1], left : left + size_px[0], None]
        Image.fromarray(grained.clip(0, 255).astype(np.uint8)).save(folder / f"IMG_{index:04}.jpg", quality=90)


def prepare(folder: Path, config: CleanConfig, tools: CleanTools) -> Spent:
    """Load and clean the photos below `folder`, keeping findings and copies there."""
    with _growth() as grown:
        cpu_s, start_s = time.process_time(), time.perf_counter()
        photos = load_photos(folder / "photos", recursive=False, memo=Memo(folder / "memo"))
        loaded_s = time.perf_counter()
        cleaned = clean_photos(photos, config, folder / "work", tools=tools)
        end_s = time.perf_counter()
    return Spent(
        num_photos=len(photos.photos),
        load_s=loaded_s - start_s,
        clean_s=end_s - loaded_s,
        cpu_s=time.process_time() - cpu_s,
        peak_mb=max(grown),
        num_kept=len(cleaned.photos),
    )


@contextmanager
def _growth() -> Iterator[list[float]]:
    """Within it, how many megabytes the process has grown is written down many times a second."""
    seen, stop = [0.0], threading.Event()
    before_mb = _resident_mb()

    def watch() -> None:
        while not stop.wait(0.02):
            seen.append(_resident_mb() - before_mb)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def _resident_mb() -> float:
    """What the process holds now; where the system does not say, the most it has ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)


def _row(run: str, spent: Spent) -> str:
    per_photo = f"{spent.wall_s / spent.num_photos:.2f} s / {spent.cpu_s / spent.num_photos:.2f} s"
    return (
        f"| {spent.num_photos} | {run} | {spent.load_s:.1f} s | {spent.clean_s:.1f} s | {spent.wall_s:.1f} s "
        f"| {spent.cpu_s:.1f} s | {per_photo} | {spent.peak_mb:.0f} MB | {spent.num_kept} |"
    )


if __name__ == "__main__":
    main()
