"""Advice: what to do next so that a set meets the guide, the most important first, each with its numbers.

Says the guide's remedies where it sees the cause (R32): weak faces want close-ups, unsteady features want angles, grain
wants better photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...messages import Message, name_some
from ..faces.mtcnn import INSTALL_COMMAND
from ..load import RECOMMENDED_PHOTOS
from .checklist import LONGEST_SIDE_PX, NOTED, SERIOUS, Checklist
from .items import items_of
from .mix import MEND, OPEN, Mix, Variety
from .words import kind_word, shortened, why_word

_MAX_GROWTH = 1.25
"""A mix that only this much more photos would mend is better mended by leaving some out as well."""


def advise(checklist: Checklist) -> tuple[Message, ...]:
    """What to do next; empty if all is as the guide wants it."""
    verdicts = {item.name: item.verdict for item in items_of(checklist)}
    if not checklist.names:
        return (Message("photos.advice_no_photos"),)
    return (
        *_shots(checklist),
        *_to_replace(checklist),
        *_to_clean(checklist),
        *_angles(checklist),
        *_variety(checklist),
        *_captions(checklist),
        *_to_find_out(checklist, verdicts),
        *_to_look_at(checklist),
    )


def _shots(checklist: Checklist) -> Iterator[Message]:
    """How many photos of which kind to add, so that count and mix are both in range afterwards."""
    count, mix = len(checklist.names), checklist.shots
    if mix.num_known <= mix.unknown:  # no mix to go by
        if count < RECOMMENDED_PHOTOS:
            yield Message("photos.advice_count", {"add": RECOMMENDED_PHOTOS - count, "count": count})
        return
    wanted = max(mix.num_known, RECOMMENDED_PHOTOS - mix.unknown)
    to_add = mix.to_add(wanted)
    if mix.num_known + sum(to_add.values()) > _MAX_GROWTH * wanted:
        trimmed = mix.trimmed(wanted)
        to_add = trimmed.to_add(wanted)
        for kind, have in mix.counts.items():
            if spare := have - trimmed.counts[kind]:
                yield Message("photos.advice_shots_spare", {"spare": spare, **_numbers(mix, kind)})
    for kind, add in sorted(to_add.items(), key=lambda one: -one[1]):
        yield Message("photos.advice_shots_add", {"add": add, "why": why_word(kind), **_numbers(mix, kind)})


def _to_replace(checklist: Checklist) -> Iterator[Message]:
    for problem in SERIOUS:
        yield from _naming(f"photos.advice_{problem}", checklist, problem)


def _to_clean(checklist: Checklist) -> Iterator[Message]:
    for problem in ("marks", "several_people", "duplicate", "margins"):
        yield from _naming(f"photos.advice_{problem}", checklist, problem)
    if checklist.num_too_long:
        yield Message("photos.advice_size", {"count": checklist.num_too_long, "wanted": LONGEST_SIDE_PX})


def _angles(checklist: Checklist) -> Iterator[Message]:
    if checklist.poses.verdict == MEND:
        for kind, add in sorted(checklist.poses.to_add().items(), key=lambda one: -one[1]):
            yield Message("photos.advice_poses_add", {"add": add, **_numbers(checklist.poses, kind)})


def _variety(checklist: Checklist) -> Iterator[Message]:
    for name, mix in (("expressions", checklist.expressions), ("manners", checklist.manners)):
        if mix.verdict == MEND:
            most = max(mix.counts, key=lambda kind: mix.counts[kind])
            add = sum(mix.to_add().values())
            yield Message(f"photos.advice_{name}_add", {"add": add, **_numbers(mix, most)})
    for name, variety in (("light", checklist.light), ("outfits", checklist.outfits)):
        if variety.verdict == MEND:
            yield Message(f"photos.advice_{name}_add", _sizes(variety))


def _captions(checklist: Checklist) -> Iterator[Message]:
    facts = checklist.captions
    if facts is None:
        return
    for name, positions in (("nameless", facts.nameless), ("long", facts.long)):
        if positions:
            names = _some([checklist.names[index] for index in positions])
            yield Message(f"photos.advice_captions_{name}", {"count": len(positions), "names": names})
    if not facts.is_alike:
        values = {"alike": facts.num_alike, "count": facts.count, "start": facts.start}
        yield Message("photos.advice_captions_start", values)
    yield from facts.faults


def _to_find_out(checklist: Checklist, verdicts: Mapping[str, str]) -> Iterator[Message]:
    """What to do so that what is open can be told."""
    if checklist.num_unseen:
        yield Message("photos.advice_detector", {"count": checklist.num_unseen, "command": INSTALL_COMMAND})
    elif checklist.shots.unknown:
        yield Message("photos.advice_label_shots", {"count": checklist.shots.unknown})
    if verdicts["expressions"] == OPEN and not checklist.num_unseen:
        yield Message("photos.advice_label_expressions", {"count": checklist.expressions.unknown})
    if verdicts["manners"] == OPEN:
        yield Message("photos.advice_label_manners", {"count": checklist.manners.unknown})
    if verdicts["marks"] == OPEN:
        yield Message("photos.advice_look_for_marks")
    if verdicts["margins"] == OPEN:
        yield Message("photos.advice_look_for_margins")
    if verdicts["captions"] == OPEN:
        yield Message("photos.advice_captions_missing")


def _to_look_at(checklist: Checklist) -> Iterator[Message]:
    if checklist.captions is not None:
        yield from checklist.captions.questions
    for problem in ("alike", *NOTED, "no_face", "face_unsure"):
        yield from _naming(f"photos.advice_{problem}", checklist, problem)


def _naming(key: str, checklist: Checklist, problem: str) -> Iterator[Message]:
    if names := checklist.having(problem):
        yield Message(key, {"count": len(names), "names": _some(names)})


def _some(names: list[str]) -> str:
    return name_some([shortened(name) for name in names])


def _numbers(mix: Mix, kind: str) -> dict[str, object]:
    wanted = mix.targets[kind]
    return {
        "kind": kind_word(kind),
        "have": mix.counts[kind],
        "known": mix.num_known,
        "percent": round(100 * mix.share(kind)),
        "low": round(100 * wanted.low),
        "high": round(100 * wanted.high),
    }


def _sizes(variety: Variety) -> dict[str, object]:
    return {"kinds": len(variety.sizes), "percent": round(100 * variety.sizes[0] / variety.num_known)}
