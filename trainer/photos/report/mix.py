"""Mix: how photos spread over kinds, which shares are wanted, and how many to add so that they are met. Pure sums."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GOOD, MEND, OPEN = "good", "mend", "open"
"""Verdicts: as wanted, to be mended, and open because not enough is known."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The wanted share of a kind, 0..1."""

    low: float = 0.0
    high: float = 1.0

    def counts(self, num_photos: int) -> tuple[int, int]:
        """Fewest and most photos of the kind among so many: the share's ends, rounded outwards to whole photos.

        A kind that is wanted at all is wanted at least once.
        """
        # A hundredth of a photo of leeway: 0.1 * 70 is a little more than 7 in floating point.
        fewest, most = math.floor(self.low * num_photos + 0.01), math.ceil(self.high * num_photos - 0.01)
        return max(fewest, 1) if self.low else 0, max(most, 1)


SHOT_TARGETS = {
    "close-up": Wanted(low=0.4, high=0.5), "medium": Wanted(low=0.3, high=0.4), "full body": Wanted(low=0.1, high=0.2),
}  # fmt: skip
"""The guide's shares (R2)."""
POSE_TARGETS = {
    "front": Wanted(low=0.1), "three-quarter": Wanted(low=0.15), "profile": Wanted(low=0.1), "back": Wanted(),
}  # fmt: skip
"""The guide asks for several angles and gives no shares; these leave none of its three out (our choice)."""
EXPRESSION_TARGETS = {
    "neutral": Wanted(high=0.8), "smiling": Wanted(high=0.8), "mouth open": Wanted(high=0.8),
    "eyes closed": Wanted(high=0.2),
}  # fmt: skip
"""The guide asks for various expressions: no one everywhere (our choice)."""
MANNER_TARGETS = {"natural": Wanted(low=0.2), "posed": Wanted(low=0.2)}
"""The guide asks for natural and posed photos: some of either (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How many photos are of each kind. Photos of an unknown kind count as nothing else."""

    counts: Mapping[str, int]
    """By kind, in the order of the targets."""
    unknown: int
    targets: Mapping[str, Wanted]

    @property
    def num_known(self) -> int:
        """How many photos have a known kind."""
        return sum(self.counts.values())

    def share(self, kind: str) -> float:
        """The kind's share of the photos whose kind is known; 0 without any."""
        return self.counts[kind] / self.num_known if self.num_known else 0.0

    @property
    def verdict(self) -> str:
        """Good if every share is met whatever the unknown photos are; to be mended if none of that could meet them."""
        total = self.num_known + self.unknown
        if not self.num_known:
            return OPEN
        ranges = {kind: wanted.counts(total) for kind, wanted in self.targets.items()}
        spans = [(self.counts[kind], self.counts[kind] + self.unknown, *ends) for kind, ends in ranges.items()]
        if all(low <= fewest and most <= high for fewest, most, low, high in spans):
            return GOOD
        missing = sum(max(0, low - fewest) for fewest, _, low, _ in spans)
        too_many = any(fewest > high for fewest, _, _, high in spans)
        room = sum(high - fewest for fewest, _, _, high in spans)
        return MEND if too_many or missing > self.unknown or room < self.unknown else OPEN

    def to_add(self, at_least: int = 0) -> dict[str, int]:
        """How many photos of each kind to add so that all shares are met; only kinds that need any.

        The smallest number that does it, with at least `at_least` photos of known kinds in all. Of several ways that
        with the most even distance to the middle of the wanted shares.
        """
        total = max(self.num_known, at_least)
        while not (bounds := self._bounds(total)):
            total += 1
        counts = {kind: low for kind, (low, _) in bounds.items()}
        for _ in range(total - sum(counts.values())):
            kind = max(
                (kind for kind, (_, high) in bounds.items() if counts[kind] < high),
                key=lambda kind: _middle(self.targets[kind]) * total - counts[kind],
            )
            counts[kind] += 1
        return {kind: count - self.counts[kind] for kind, count in counts.items() if count > self.counts[kind]}

    def trimmed(self, total: int) -> Mix:
        """The mix without the photos that are more than a kind's share of `total`; adding to it ends near `total`."""
        counts = {kind: min(count, self.targets[kind].counts(total)[1]) for kind, count in self.counts.items()}
        return Mix(counts=counts, unknown=self.unknown, targets=self.targets)

    def _bounds(self, total: int) -> dict[str, tuple[int, int]] | None:
        """The counts that each kind may have among `total` photos once some are added; None if that cannot be."""
        ranges = {kind: wanted.counts(total) for kind, wanted in self.targets.items()}
        bounds = {kind: (max(low, self.counts[kind]), high) for kind, (low, high) in ranges.items()}
        fits = all(low <= high for low, high in bounds.values())
        fits = fits and sum(low for low, _ in bounds.values()) <= total <= sum(high for _, high in bounds.values())
        return bounds if fits else None


def mix_of(kinds: Iterable[str], targets: Mapping[str, Wanted]) -> Mix:
    """The mix of photos whose kinds these are; what no target names is unknown."""
    found = Counter(kinds)
    return Mix(
        counts={kind: found.pop(kind, 0) for kind in targets},
        unknown=sum(found.values()),
        targets=targets,
    )


@dataclass(frozen=True, kw_only=True)
class Variety:
    """How photos spread over kinds that have no names: kinds of light, outfits."""

    sizes: Sequence[int]
    """How many photos each kind has, the largest first."""
    unknown: int
    min_kinds: int
    max_share: float
    """No kind should have more of the known photos."""

    @property
    def num_known(self) -> int:
        """How many photos have a known kind."""
        return sum(self.sizes)

    @property
    def verdict(self) -> str:
        """Good if there are enough kinds and none is nearly everywhere; open if most photos are unknown."""
        if self.num_known <= self.unknown:
            return OPEN
        few = len(self.sizes) < min(self.min_kinds, self.num_known)
        return MEND if few or self.sizes[0] > math.ceil(self.max_share * self.num_known) else GOOD


def _middle(wanted: Wanted) -> float:
    return (wanted.low + wanted.high) / 2
