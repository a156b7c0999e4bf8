"""Fuzzing: photos of every format with changed bytes, through the loader. Nothing but UserError may come out of it.

`python -m tests.trainer.fuzz_photos --minutes 10` prints what happened and ends with 1 if anything did that must not.
The file at work lies in the folder that is printed first, should the process itself be ended by one.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.trainer.awkward_corpus import good_files, turned
from tests.trainer.awkward_files import display_p3_profile, encoded, noisy
from tests.trainer.heif_files import can_encode, clap, heic, icc, irot
from trainer.messages import UserError
from trainer.photos.load import load_photos
from trainer.photos.pixels import read_pixels, read_thumbnail

LONGEST_S = 20.0
MOST_BYTES = 1_000_000_000
TELLING = np.array([0, 1, 2, 255, 256, 0x7FFF, 0xFFFF, 20_000, 65_500, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint64)
"""Numbers that lengths, sizes and counts are made to lie with."""


@dataclass
class Found:
    """What came of all files."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(suffix, outcome) -> how often."""
    escaped: list[str] = field(default_factory=list)
    peak_name: str = ""
    longest_s: float = 0.0
    longest_name: str = ""

    def is_fine(self) -> bool:
        """Whether nothing happened that must not."""
        return not self.escaped and self.longest_s < LONGEST_S and peak_bytes() < MOST_BYTES

    def report(self) -> str:
        """A table, and what escaped."""
        kinds = sorted({suffix for suffix, _ in self.outcomes})
        outcomes = sorted({outcome for _, outcome in self.outcomes})
        lines = [f"{'':8}" + "".join(f"{outcome:>24}" for outcome in outcomes)]
        lines += [f"{kind:8}" + "".join(f"{self.outcomes[kind, outcome]:24}" for outcome in outcomes) for kind in kinds]
        lines.append(f"files {sum(self.outcomes.values())}, escaped {len(self.escaped)}")
        lines.append(
            f"peak {peak_bytes() >> 20} MiB ({self.peak_name}), longest {self.longest_s:.2f} s ({self.longest_name})"
        )
        return "\n".join(lines + self.escaped[:5])


def peak_bytes() -> int:
    """The most memory that this process has ever held; 0 where the system does not tell."""
    try:
        words = Path("/proc/self/status").read_text().split()
        return int(words[words.index("VmHWM:") + 1]) * 1024
    except (OSError, ValueError):
        return 0


def seeds() -> dict[str, bytes]:
    """Whole files of every format, small ones and some with much in them."""
    files = {name.rpartition("/")[2]: data for name, (data, *_) in good_files().items()}
    exif, profile = turned(6), display_p3_profile()
    exif[0x010F] = "a phone"
    exif.get_ifd(0x8825)[1] = "N"
    photo = noisy(640, 480)
    for kind, suffix in {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif"}.items():
        files[f"full.{suffix}"] = encoded(photo, kind, exif=exif, icc_profile=profile)
    files["progressive full.jpg"] = encoded(photo, "JPEG", progressive=True, icc_profile=profile)
    files["strips.tif"] = encoded(photo, "TIFF", compression="tiff_lzw", strip_size=4096)
    if can_encode():
        files["full.heic"] = heic(noisy(200, 136), icc(profile), clap(100, 60), irot(1), tile_px=64)
    return files


def changed(data: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """The bytes with one to five changes, half of them near the beginning, where the formats keep their numbers."""
    made = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        reach = len(made) if rng.random() < 0.5 else min(len(made), 600)
        at, length = int(rng.integers(0, max(1, reach))), int(rng.integers(1, 200))
        match int(rng.integers(0, 8)):
            case 0:
                made[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case 1:
                made[at : at + 1] = bytes(byte ^ (1 << int(rng.integers(0, 8))) for byte in made[at : at + 1])
            case 2:
                width, order = int(rng.choice([1, 2, 4])), "big" if rng.random() < 0.5 else "little"
                number = int(rng.choice(TELLING)) % (1 << 8 * width)
                made[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
            case 3:
                made[at : at + length] = bytes(len(made[at : at + length]))
            case 4:
                del made[at : at + length]
            case 5:
                made[at:at] = made[at : at + length]
            case 6:
                other = others[int(rng.integers(0, len(others)))]
                start = int(rng.integers(0, max(1, len(other))))
                made[at : at + length] = other[start : start + length]
            case _:
                del made[max(1, at) :]
    return bytes(made)


def try_file(folder: Path, path: Path, data: bytes, found: Found) -> None:
    """Load a folder with one file, and if it is a photo, read it in every way."""
    suffix = path.suffix.lower()
    path.write_bytes(data)
    started_s, peak = time.monotonic(), peak_bytes()
    faulthandler.dump_traceback_later(5 * LONGEST_S, exit=True)
    try:
        try:
            [photo] = load_photos(folder, recursive=False).photos
        except UserError:
            found.outcomes[suffix, "rejected"] += 1
            return
        found.outcomes[suffix, "loaded"] += 1
        pixels, small = read_pixels(photo.path), read_thumbnail(photo.path, 64)
        assert pixels.mode == small.mode == "RGB" and pixels.size == (photo.width_px, photo.height_px)
        assert max(small.size) <= 64
    except Exception:
        kept = folder.parent / f"{len(found.escaped)} {path.name}"
        kept.write_bytes(data)
        found.escaped.append(f"{kept}:\n{traceback.format_exc(limit=-4)}")
    finally:
        faulthandler.cancel_dump_traceback_later()
        if peak_bytes() > peak:
            found.peak_name = path.name
        seconds = time.monotonic() - started_s
        if seconds > found.longest_s:
            found.longest_s, found.longest_name = seconds, path.name
        path.unlink()


def fuzz(seconds: float, seed: int, place: Path) -> Found:
    """Try changed files for so long."""
    rng, found = np.random.default_rng(seed), Found()
    whole = seeds()
    names, contents = list(whole), list(whole.values())
    folder = place / "at work"
    folder.mkdir(parents=True, exist_ok=True)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        index = int(rng.integers(0, len(names)))
        try_file(folder, folder / Path(names[index]).name, changed(contents[index], contents, rng), found)
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz the photo loader.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    place = Path(tempfile.mkdtemp(prefix="fuzz_photos_"))
    print(f"in {place}", flush=True)
    found = fuzz(60 * chosen.minutes, chosen.seed, place)
    print(found.report())
    return 0 if found.is_fine() else 1


if __name__ == "__main__":
    sys.exit(main())
