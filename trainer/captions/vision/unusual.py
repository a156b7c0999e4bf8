"""Unusual: which of the things that a model sees in photos are worth a word, by counting over the whole set.

A thing is worth a word where it departs from what the set usually shows: `ponytail` where the hair is mostly loose. It
is not where it never changes (the LoRA learns it as the person's own), and not where it always changes (twenty outfits
in twenty photos: none is the usual one, and the LoRA learns by itself that clothes change).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .things import BACKGROUND, CLOTHES, KINDS, Thing

FEWEST_PHOTOS = 5
"""With fewer, one photo is a quarter of the set, and nothing can be called usual."""
_USUAL = 1 / 2
"""A kind has a usual state (a thing, or nothing at all) where at least so many photos show it."""
_USUAL_WHERE_CHANGE_IS_WANTED = 2 / 3
"""The same for clothes and places, which a good set changes often: there only a set that is nearly uniform has one."""
_RARE = 1 / 3
"""A thing in more photos than this is part of what is usual."""
_MOST_WITH_FEATURES = 1 / 2
"""Most captions are to stay plain: the rarest things come first, and one that would lead above this is left out."""
_MOST_THINGS = 2


def unusual_things(seen: Mapping[str, Sequence[Thing]]) -> dict[str, tuple[Thing, ...]]:
    """For each photo the one or two things that are unusual in the set, the rarest first; photos without are left out.

    Whether a thing is named depends on the set alone, so that every photo that shows it says it or none does; only
    the third and rarest-but-two thing of one photo is left out. A pure function of what was seen.
    """
    if len(seen) < FEWEST_PHOTOS:
        return {}
    shown_by = _photos_by_thing(seen)
    candidates = [key for kind in KINDS for key in _departures(kind, shown_by, len(seen))]
    candidates.sort(key=lambda key: (len(shown_by[key]), KINDS.index(key[0]), key[1]))
    named: list[tuple[str, str]] = []
    with_features: set[str] = set()
    for key in candidates:
        if len(with_features | shown_by[key]) <= _MOST_WITH_FEATURES * len(seen):
            named.append(key)
            with_features |= shown_by[key]
    return {photo: _things_of(things, named) for photo, things in seen.items() if photo in with_features}


def _photos_by_thing(seen: Mapping[str, Sequence[Thing]]) -> dict[tuple[str, str], set[str]]:
    shown_by: dict[tuple[str, str], set[str]] = {}
    for photo, things in seen.items():
        for thing in things:
            shown_by.setdefault((thing.kind, thing.head), set()).add(photo)
    return shown_by


def _departures(kind: str, shown_by: Mapping[tuple[str, str], set[str]], num_photos: int) -> list[tuple[str, str]]:
    """The rare things of a kind that has a usual state."""
    counts = Counter({key: len(photos) for key, photos in shown_by.items() if key[0] == kind})
    without = num_photos - len(set().union(*(shown_by[key] for key in counts)))
    usual = max([without, *counts.values()])
    needed = _USUAL_WHERE_CHANGE_IS_WANTED if kind in (CLOTHES, BACKGROUND) else _USUAL
    if usual < needed * num_photos:
        return []
    return [key for key, count in counts.items() if count <= _RARE * num_photos]


def _things_of(things: Sequence[Thing], named: Sequence[tuple[str, str]]) -> tuple[Thing, ...]:
    """A photo's things that are to be named, in that order, each kind of thing once."""
    by_key = {(thing.kind, thing.head): thing for thing in reversed(things)}
    return tuple(by_key[key] for key in named if key in by_key)[:_MOST_THINGS]
