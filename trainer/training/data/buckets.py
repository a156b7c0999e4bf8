"""Buckets: the size each photo is trained at, and which photos make up the batch of a step. Knows no pixels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import torch

from ..update.flow import named_generator

DIVISOR_PX = 16  # 8 from the VAE times 2 from the transformer's patches

Bucket = tuple[int, int]
"""(width, height) in pixels, both multiples of 16."""


def bucket_for(width_px: int, height_px: int, resolution_px: int) -> Bucket | None:
    """The bucket that keeps a photo's shape best within `resolution_px` squared, never larger than the photo.

    None for a photo with a side under 16 px.
    """
    area_px = min(width_px * height_px, resolution_px**2)
    scale = math.sqrt(area_px / (width_px * height_px))
    longest_px = resolution_px**2 / DIVISOR_PX  # a very long photo loses its ends rather than its place
    widths = _around(min(width_px * scale, longest_px))
    heights = _around(min(height_px * scale, longest_px))
    fitting = [
        (w, h) for w in widths for h in heights
        if DIVISOR_PX <= w <= width_px and DIVISOR_PX <= h <= height_px and w * h <= resolution_px**2
    ]  # fmt: skip
    return min(fitting, key=lambda bucket: abs(bucket[0] * bucket[1] - area_px), default=None)


def _around(side_px: float) -> tuple[int, int]:
    whole = int(side_px + 1e-6) // DIVISOR_PX
    return max(whole, 1) * DIVISOR_PX, (whole + 1) * DIVISOR_PX


class BatchOrder:
    """Which photos each step learns from: all photos equally often, shuffled anew, one bucket per batch.

    A round is as many steps as there are photos, and shows each of them `batch_size` times. A bucket's shuffles follow
    one another without a gap and are cut into batches, so no photo counts more because its bucket is small; a bucket
    smaller than the batch meets itself again within one, with other noise. A pure function of (seed, step).
    """

    def __init__(self, buckets: Sequence[Bucket], batch_size: int, seed: int) -> None:
        self._photos_by_bucket: dict[Bucket, list[int]] = defaultdict(list)
        for photo_index, bucket in enumerate(buckets):
            self._photos_by_bucket[bucket].append(photo_index)
        self._batch_size, self._seed = batch_size, seed
        self.steps_per_round = len(buckets)
        self._round, self._batches = -1, [[0]]

    def batch_at(self, step: int) -> list[int]:
        """Indices of the photos of a step; steps count from 1."""
        round_index, position = divmod(step - 1, self.steps_per_round)
        if round_index != self._round:
            self._round, self._batches = round_index, self._shuffled(round_index)
        return self._batches[position]

    def _shuffled(self, round_index: int) -> list[list[int]]:
        generator = named_generator(self._seed, "order", round_index)
        batches = []
        for photos in self._photos_by_bucket.values():
            shuffles = [torch.randperm(len(photos), generator=generator) for _ in range(self._batch_size)]
            shuffled = [photos[i] for i in torch.cat(shuffles).tolist()]
            starts = range(0, len(shuffled), self._batch_size)
            batches += [shuffled[start : start + self._batch_size] for start in starts]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
