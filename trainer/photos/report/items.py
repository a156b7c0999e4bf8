"""Items: the guide's checklist in lines with a verdict each, made of what was counted. Counts nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from ...messages import Message
from ..load import RECOMMENDED_PHOTOS
from .checklist import LONGEST_SIDE_PX, SERIOUS, Checklist
from .mix import GOOD, MEND, OPEN, Mix, Variety


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the checklist."""

    name: str
    verdict: str
    """`good`, `mend` or `open`."""
    said: Message
    """The line in words, with its numbers."""


def items_of(checklist: Checklist) -> tuple[Item, ...]:
    """All lines, in the order of the guide: collected, clean, captioned."""
    return (
        _count(checklist),
        _mix("shots", checklist.shots),
        _mix("poses", checklist.poses),
        _mix("expressions", checklist.expressions),
        _variety("light", checklist.light),
        _variety("outfits", checklist.outfits),
        _mix("manners", checklist.manners),
        _quality(checklist),
        _looked_for("duplicates", "duplicate", "duplicates", checklist),
        _people(checklist),
        _looked_for("marks", "marks", "text_marks", checklist),
        _looked_for("margins", "margins", "crop", checklist),
        _size(checklist),
        _captions(checklist),
    )


def _count(checklist: Checklist) -> Item:
    count = len(checklist.names)
    values = {"count": count, "wanted": RECOMMENDED_PHOTOS}
    return Item(
        name="count",
        verdict=GOOD if count >= RECOMMENDED_PHOTOS else MEND,
        said=Message("photos.check_count", values),
    )


def _mix(name: str, mix: Mix) -> Item:
    if not mix.num_known:
        return Item(name=name, verdict=OPEN, said=Message(f"photos.check_{name}_open"))
    values: dict[str, object] = {kind.replace(" ", "_").replace("-", "_"): count for kind, count in mix.counts.items()}
    values["unknown"] = mix.unknown
    return Item(name=name, verdict=mix.verdict, said=Message(f"photos.check_{name}", values))


def _variety(name: str, variety: Variety) -> Item:
    if not variety.num_known:
        return Item(name=name, verdict=OPEN, said=Message(f"photos.check_{name}_open"))
    values = {
        "kinds": len(variety.sizes),
        "percent": round(100 * variety.sizes[0] / variety.num_known),
        "unknown": variety.unknown,
    }
    return Item(name=name, verdict=variety.verdict, said=Message(f"photos.check_{name}", values))


def _quality(checklist: Checklist) -> Item:
    if checklist.num_unjudged:
        return Item(name="quality", verdict=OPEN, said=Message("photos.check_quality_open"))
    counts = {problem: len(checklist.problems.get(problem, ())) for problem in SERIOUS}
    return Item(
        name="quality",
        verdict=MEND if any(counts.values()) else GOOD,
        said=Message("photos.check_quality", counts),
    )


def _people(checklist: Checklist) -> Item:
    if count := len(checklist.problems.get("several_people", ())):
        return Item(name="people", verdict=MEND, said=Message("photos.check_people_found", {"count": count}))
    verdict = OPEN if checklist.num_unseen else GOOD
    return Item(name="people", verdict=verdict, said=Message(f"photos.check_people_{verdict}"))


def _looked_for(name: str, problem: str, step: str, checklist: Checklist) -> Item:
    """What a step of cleaning looks for."""
    if count := len(checklist.problems.get(problem, ())):
        return Item(name=name, verdict=MEND, said=Message(f"photos.check_{name}_found", {"count": count}))
    verdict = GOOD if step in checklist.looked_for else OPEN
    return Item(name=name, verdict=verdict, said=Message(f"photos.check_{name}_{verdict}"))


def _size(checklist: Checklist) -> Item:
    shortest_px, longest_px = checklist.longest_px
    values = {"shortest": shortest_px, "longest": longest_px, "wanted": LONGEST_SIDE_PX}
    return Item(
        name="size",
        verdict=MEND if checklist.num_too_long else GOOD,
        said=Message("photos.check_size", values),
    )


def _captions(checklist: Checklist) -> Item:
    facts = checklist.captions
    if facts is None:
        return Item(name="captions", verdict=OPEN, said=Message("photos.check_captions_open"))
    values = {
        "alike": facts.num_alike, "count": facts.count, "start": facts.start,
        "long": len(facts.long), "nameless": len(facts.nameless),
    }  # fmt: skip
    return Item(
        name="captions",
        verdict=GOOD if facts.is_good else MEND,
        said=Message("photos.check_captions", values),
    )
