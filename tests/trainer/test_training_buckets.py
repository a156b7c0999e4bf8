"""Buckets and the order of photos: laws over many sizes, then AI Toolkit's own numbers."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from trainer.training.data.buckets import BatchOrder, bucket_for

SIZES = [(random.Random(i).randint(16, 5000), random.Random(-i - 1).randint(16, 5000)) for i in range(400)]
BUCKETS = [(512, 512)] * 7 + [(448, 576)] * 4 + [(576, 448)]


@pytest.mark.parametrize("resolution_px", [64, 128, 512, 768, 1024])
def test_a_bucket_is_a_multiple_of_16_no_larger_than_the_photo_nor_the_resolution(resolution_px: int) -> None:
    for width_px, height_px in SIZES:
        bucket = bucket_for(width_px, height_px, resolution_px)
        if bucket is None:
            continue
        assert bucket[0] % 16 == bucket[1] % 16 == 0 and min(bucket) >= 16
        assert bucket[0] <= width_px and bucket[1] <= height_px
        assert bucket[0] * bucket[1] <= resolution_px**2


@pytest.mark.parametrize("resolution_px", [64, 512, 1024])
def test_every_photo_of_common_shape_has_a_bucket_of_its_shape_and_nearly_its_area(resolution_px: int) -> None:
    for width_px, height_px in SIZES:
        aspect = width_px / height_px
        if min(width_px, height_px) < resolution_px / 2 or not 1 / 3 < aspect < 3:
            continue
        bucket = bucket_for(width_px, height_px, resolution_px)
        assert bucket is not None, (width_px, height_px)
        # Rounding costs each side less than one step of 16 px.
        one_step_each = sum(math.log((side + 16) / side) for side in bucket)
        assert abs(math.log(bucket[0] / bucket[1] / aspect)) < one_step_each
        wanted = min(width_px * height_px, resolution_px**2)
        assert math.log(wanted / (bucket[0] * bucket[1])) < one_step_each


def test_turning_a_photo_turns_its_bucket() -> None:
    for width_px, height_px in SIZES:
        bucket, turned = bucket_for(width_px, height_px, 512), bucket_for(height_px, width_px, 512)
        assert (bucket is None) == (turned is None)
        assert bucket is None or turned is None or bucket[0] * bucket[1] == turned[0] * turned[1]


@pytest.mark.parametrize(
    ("size", "resolution_px", "expected"),
    [
        ((832, 1216), 1024, (832, 1216)),
        ((1920, 1080), 1024, (1360, 768)),
        ((1920, 1080), 512, (672, 384)),
        ((3000, 4000), 1024, (896, 1168)),
        ((512, 512), 512, (512, 512)),
        ((1024, 1024), 512, (512, 512)),
    ],
)
def test_buckets_are_ai_toolkits(size: tuple[int, int], resolution_px: int, expected: tuple[int, int]) -> None:
    assert bucket_for(*size, resolution_px) == expected


def test_an_odd_square_gives_up_one_step_on_one_side_as_in_ai_toolkit() -> None:
    bucket = bucket_for(500, 500, 512)
    assert bucket is not None and sorted(bucket) in ([496, 496], [496, 512])
    assert max(bucket) <= 500


@pytest.mark.parametrize("size", [(15, 4000), (4000, 15), (1, 1), (15, 15)])
def test_a_photo_with_a_side_under_16_px_has_no_bucket(size: tuple[int, int]) -> None:
    assert bucket_for(*size, 512) is None


@pytest.mark.parametrize("size", [(16, 4000), (4000, 16), (16, 16), (17, 31), (16, 100_000)])
def test_a_photo_of_at_least_16_px_always_has_one(size: tuple[int, int]) -> None:
    assert bucket_for(*size, 512) is not None


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 16])
def test_every_photo_comes_equally_often_whatever_its_bucket_and_the_batch(batch_size: int) -> None:
    """In a round of as many steps as photos each comes `batch_size` times, one of a kind as often as the others."""
    order = BatchOrder(BUCKETS, batch_size, seed=3)
    for round_index in range(4):
        first = round_index * len(BUCKETS) + 1
        batches = [order.batch_at(step) for step in range(first, first + len(BUCKETS))]
        assert {len(batch) for batch in batches} == {batch_size}
        assert all(len({BUCKETS[index] for index in batch}) == 1 for batch in batches)
        seen = Counter(index for batch in batches for index in batch)
        assert seen == dict.fromkeys(range(len(BUCKETS)), batch_size)


@pytest.mark.parametrize("batch_size", [2, 3])
def test_a_batch_seldom_holds_a_photo_twice_and_batches_are_mixed_anew(batch_size: int) -> None:
    """Only where one shuffle of a bucket ends and the next begins."""
    order = BatchOrder([(512, 512)] * 7, batch_size, seed=1)
    batches = [order.batch_at(step) for step in range(1, 71)]
    twice = sum(len(set(batch)) < batch_size for batch in batches)
    assert twice < 70 / 7 and len({tuple(sorted(batch)) for batch in batches}) > 15


def test_epochs_are_shuffled_anew_and_buckets_mixed() -> None:
    order = BatchOrder([(512, 512)] * 10 + [(448, 576)] * 10, 1, seed=0)
    epochs = [[order.batch_at(20 * epoch + step)[0] for step in range(1, 21)] for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert all({index >= 10 for index in epoch[:10]} == {True, False} for epoch in epochs)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_order_is_a_pure_function_of_seed_and_step(batch_size: int) -> None:
    sequential = BatchOrder(BUCKETS, batch_size, seed=5)
    batches = {step: sequential.batch_at(step) for step in range(1, 60)}
    jumping = BatchOrder(BUCKETS, batch_size, seed=5)
    steps = list(batches)
    random.Random(0).shuffle(steps)
    assert all(jumping.batch_at(step) == batches[step] for step in steps)
    assert all(BatchOrder(BUCKETS, batch_size, seed=5).batch_at(step) == batches[step] for step in (1, 37, 59))
    other = BatchOrder(BUCKETS, batch_size, seed=6)
    assert [other.batch_at(step) for step in batches] != list(batches.values())
