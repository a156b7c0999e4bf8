"""Photos that a sweep is judged by: which a run held out and which it was trained on, from its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...photos.photo import Box
from ...training.keeping.record import read_record


@dataclass(frozen=True, kw_only=True)
class KnownPhoto:
    """One photo of a run whose file is still there."""

    path: Path
    face: Box | None = None
    """Where the person's face is, as far as a detector was asked when the photos were prepared."""


@dataclass(frozen=True, kw_only=True)
class JudgedBy:
    """The photos of a run, as far as their files are still there."""

    held_out: tuple[KnownPhoto, ...] = ()
    training: tuple[KnownPhoto, ...] = ()
    shots: tuple[tuple[str, int], ...] = ()
    """How many of the photos are of each shot type."""

    @property
    def references(self) -> tuple[KnownPhoto, ...]:
        """What pictures of the person are compared with: held-out photos, because a picture may be like a photo learned
        by heart without being like the person; for a run without them the photos it was trained on."""
        return self.held_out or self.training


def judged_by(run_dir: Path) -> JudgedBy:
    """The photos that `run.json` names; none for a folder without one. Raises UserError for one that cannot be read."""
    record = read_record(run_dir) or {"photos": []}
    validation = record.get("validation", {})
    held_out, set_aside = (frozenset(validation.get(part, ())) for part in ("held_out", "set_aside"))

    def photos(wanted: Collection[str]) -> tuple[KnownPhoto, ...]:
        return tuple(
            KnownPhoto(path=Path(photo["path"]), face=tuple(photo["faces"][0]) if photo.get("faces") else None)
            for photo in record["photos"]
            if photo["content_hash"] in wanted and Path(photo["path"]).is_file()
        )

    learned = {photo["content_hash"] for photo in record["photos"]} - held_out - set_aside
    shots = Counter(str(photo.get("shot", "")) for photo in record["photos"])
    return JudgedBy(held_out=photos(held_out), training=photos(learned), shots=tuple(sorted(shots.items())))
