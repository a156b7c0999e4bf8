"""The mix: what is wanted, when it is met, and how many photos to add so that it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest

from trainer.photos.photo import UNKNOWN
from trainer.photos.report.mix import (
    EXPRESSION_TARGETS,
    GOOD,
    MANNER_TARGETS,
    MEND,
    OPEN,
    POSE_TARGETS,
    SHOT_TARGETS,
    Mix,
    Variety,
    mix_of,
)

TARGETS = (SHOT_TARGETS, POSE_TARGETS, EXPRESSION_TARGETS, MANNER_TARGETS)


def mixes(num: int, largest: int, max_unknown: int = 0) -> Iterator[Mix]:
    """Some mixes of every kind of target."""
    chance = random.Random(5)
    for _ in range(num):
        targets = chance.choice(TARGETS)
        counts = {kind: chance.choice((0, chance.randint(0, largest))) for kind in targets}
        yield Mix(counts=counts, unknown=chance.randint(0, max_unknown), targets=targets)


def plus(mix: Mix, added: dict[str, int], unknown: int = 0) -> Mix:
    """The mix after photos were added."""
    counts = {kind: count + added.get(kind, 0) for kind, count in mix.counts.items()}
    return Mix(counts=counts, unknown=unknown, targets=mix.targets)


def test_after_adding_what_is_asked_for_every_share_is_met() -> None:
    for mix in mixes(150, 120):
        for at_least in (1, 70):
            after = plus(mix, mix.to_add(at_least))
            assert after.verdict == GOOD and after.num_known >= at_least, (mix, at_least)


def test_no_smaller_number_would_do() -> None:
    for mix in mixes(60, 5):
        num_added = sum(mix.to_add(1).values())
        for fewer in range(max(0, 1 - mix.num_known), num_added):
            ways = (way for way in product(range(fewer + 1), repeat=len(mix.counts)) if sum(way) == fewer)
            assert not any(plus(mix, dict(zip(mix.counts, way, strict=True))).verdict == GOOD for way in ways), mix


def test_nothing_is_added_to_a_mix_that_is_met() -> None:
    for mix in mixes(200, 60):
        if mix.verdict == GOOD:
            assert mix.to_add() == {}


def test_leaving_out_and_adding_meets_the_shares_near_the_same_number() -> None:
    for mix in mixes(200, 120):
        if mix.num_known and mix.targets is SHOT_TARGETS:
            trimmed = mix.trimmed(mix.num_known)
            after = plus(trimmed, trimmed.to_add(mix.num_known))
            assert after.verdict == GOOD and after.num_known <= 1.12 * mix.num_known + 3, mix


def test_verdict_is_what_all_possible_kinds_of_the_unknown_photos_agree_on() -> None:
    for mix in mixes(300, 8, max_unknown=4):
        if not mix.num_known:
            assert mix.verdict == OPEN
            continue
        ways = (way for way in product(range(mix.unknown + 1), repeat=len(mix.counts)) if sum(way) == mix.unknown)
        verdicts = {plus(mix, dict(zip(mix.counts, way, strict=True))).verdict for way in ways}
        assert mix.verdict == (verdicts.pop() if len(verdicts) == 1 else OPEN), mix


def test_unknown_photos_count_as_nothing_else() -> None:
    mix = mix_of(["close-up", "close-up", "medium", UNKNOWN, "something new"], SHOT_TARGETS)
    assert (mix.counts["close-up"], mix.num_known, mix.unknown) == (2, 3, 2)
    assert mix.share("close-up") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("close_up", "medium", "full_body", "verdict"),
    [
        (36, 28, 16, GOOD),
        (32, 32, 16, GOOD),
        (40, 24, 16, GOOD),
        (31, 32, 17, MEND),
        (41, 24, 15, MEND),
        (0, 0, 0, OPEN),
    ],
)
def test_the_guides_ranges_hold_at_their_ends(close_up: int, medium: int, full_body: int, verdict: str) -> None:
    counts = {"close-up": close_up, "medium": medium, "full body": full_body}
    assert Mix(counts=counts, unknown=0, targets=SHOT_TARGETS).verdict == verdict


@pytest.mark.parametrize(
    ("sizes", "unknown", "verdict"),
    [((30, 20, 20), 0, GOOD), ((60, 6, 4), 0, MEND), ((40, 30), 0, MEND), ((5, 5, 5), 60, OPEN), ((), 0, OPEN)],
)
def test_variety_wants_several_kinds_and_none_nearly_everywhere(
    sizes: tuple[int, ...], unknown: int, verdict: str
) -> None:
    assert Variety(sizes=sizes, unknown=unknown, min_kinds=3, max_share=0.7).verdict == verdict
