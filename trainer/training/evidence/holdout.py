"""Holdout: which photos a run keeps out of its training to judge its checkpoints by. Reads thumbnails, loads no torch.

Each photo has its place in a draw of lots that depends on the seed and its own content alone, so a photo more or less
moves at most a few others from one side to the other.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...captions.dataset import CaptionedPhoto, Dataset
from ...messages import Message, UserError
from ...photos.judging.duplicates import LIKELY_BITS, PictureHash, hash_photos, near_duplicates
from ...photos.photo import UNKNOWN, Photo

SHARE, MIN_HELD_OUT = 0.1, 4
AUTO_FROM = 20
"""With fewer photos than this, `auto` learns from all of them."""
MIN_PHOTOS = 2 * MIN_HELD_OUT
_MAX_SET_ASIDE = 0.25
"""Training may lose at most this share of the photos to near duplicates of held-out ones."""
_SQUARE = 1.15  # sides that differ by no more count as square
_SMALL_PX = 768 * 768  # below, a photo is a thumbnail, an old phone's or a cut-out


@dataclass(frozen=True, kw_only=True)
class Split:
    """A dataset in three parts: what is learned from, what judges, and what may do neither."""

    training: Dataset
    held_out: tuple[CaptionedPhoto, ...] = ()
    set_aside: tuple[CaptionedPhoto, ...] = ()
    """Near duplicates of held-out photos: learned from, they would give the answers away."""
    warnings: tuple[Message, ...] = ()

    @property
    def used(self) -> Dataset:
        """Everything that has to be encoded: what is learned from, then what judges."""
        return dataclasses.replace(self.training, photos=(*self.training.photos, *self.held_out))

    def as_json(self) -> dict[str, list[str]]:
        """The two smaller parts by content, for the run's record."""
        return {
            "held_out": [item.photo.content_hash for item in self.held_out],
            "set_aside": [item.photo.content_hash for item in self.set_aside],
        }


def split_dataset(
    dataset: Dataset,
    validation: str,
    seed: int,
    hash_files: Callable[[Sequence[Path]], Sequence[PictureHash]] = hash_photos,
) -> Split:
    """The split for the setting `validation` (`auto`, `on` or `off`).

    Raises UserError for `on` with too few photos, and for a photo that has gone.
    """
    num_photos = len(dataset.photos)
    if validation == "off" or not num_photos or (validation == "auto" and num_photos < AUTO_FROM):
        return Split(training=dataset)
    if num_photos < MIN_PHOTOS:
        raise UserError("train.too_few_to_hold_out", num=num_photos, limit=MIN_PHOTOS)
    near = near_duplicates(hash_files([item.photo.path for item in dataset.photos]), LIKELY_BITS)
    held_out = choose_held_out([item.photo for item in dataset.photos], near, seed)
    if len(held_out) < MIN_HELD_OUT:
        return Split(training=dataset, warnings=(Message("train.all_alike", {"num": num_photos}),))
    set_aside = set().union(*(near[index] for index in held_out)) - held_out
    return _parts(dataset, held_out, set_aside)


def recorded_split(dataset: Dataset, record: Mapping[str, Any]) -> Split | None:
    """The split that a run's record tells of, so that the run goes on with it; None where it tells of none.

    The dataset is the one the record was made from.
    """
    if "validation" not in record:
        return None
    index_of = {item.photo.content_hash: index for index, item in enumerate(dataset.photos)}
    parts = ({index_of[name] for name in record["validation"][part]} for part in ("held_out", "set_aside"))
    return _parts(dataset, *parts)


def choose_held_out(photos: Sequence[Photo], near: Sequence[set[int]], seed: int) -> set[int]:
    """The positions of the held-out photos: a tenth, at least 4, every stratum with its share.

    Photos with near duplicates come last, because each costs training more than itself. Where nearly all photos are
    alike, fewer than 4 or none can be held out.
    """
    num_wanted = max(MIN_HELD_OUT, round(len(photos) * SHARE))
    strata: dict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(photos)), key=lambda index: (len(near[index]), _lot(photos[index], seed))):
        strata[stratum_of(photos[index])].append(index)
    chosen: set[int] = set()
    lost: set[int] = set()
    for index in _in_turn([strata[name] for name in sorted(strata)]):
        lost_with_it = (lost | near[index]) - chosen - {index}
        if index in lost or len(lost_with_it) > _MAX_SET_ASIDE * len(photos):
            continue
        chosen, lost = chosen | {index}, lost_with_it
        if len(chosen) == num_wanted:
            break
    return chosen


def stratum_of(photo: Photo) -> str:
    """What kind of photo it is, for a held-out part that shows all kinds: its shot type; where nobody could tell that,
    shape and size tell full-body photos, portraits and cut-outs apart as far as a file's measures can."""
    if photo.judgement is not None and photo.judgement.shot != UNKNOWN:
        return photo.judgement.shot
    ratio = photo.width_px / photo.height_px
    shape = "wide" if ratio > _SQUARE else "tall" if ratio < 1 / _SQUARE else "square"
    return f"{shape} {'small' if photo.width_px * photo.height_px < _SMALL_PX else 'large'}"


def _lot(photo: Photo, seed: int) -> str:
    """A photo's place in the draw."""
    return hashlib.sha256(f"{seed} {photo.content_hash}".encode()).hexdigest()


def _in_turn(strata: Sequence[Sequence[int]]) -> list[int]:
    """All positions in an order of which every beginning gives each stratum its share (Sainte-Lague's method)."""
    num_photos = sum(map(len, strata))
    due = [
        ((seat + 0.5) * num_photos / len(indices), index) for indices in strata for seat, index in enumerate(indices)
    ]
    return [index for _, index in sorted(due, key=lambda seat: seat[0])]  # equals stay in the order of the strata


def _parts(dataset: Dataset, held_out: set[int], set_aside: set[int]) -> Split:
    def part(wanted: Callable[[int], bool]) -> tuple[CaptionedPhoto, ...]:
        return tuple(item for index, item in enumerate(dataset.photos) if wanted(index))

    return Split(
        training=dataclasses.replace(dataset, photos=part(lambda index: index not in held_out | set_aside)),
        held_out=part(held_out.__contains__),
        set_aside=part(set_aside.__contains__),
    )
