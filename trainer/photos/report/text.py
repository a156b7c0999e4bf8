"""Text: a PhotoSet and its checklist in words, complete and in the user's language. Counts nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...messages import Message, name_some, sentence
from ..folder import shown_path
from ..photo import Photo, PhotoSet
from .advice import advise
from .checklist import Checklist
from .items import items_of
from .mix import GOOD, MEND, OPEN

_SIGNS = {GOOD: "[x]", MEND: "[!]", OPEN: "[?]"}
_NAMES_PER_LINE = 6


def describe(photos: PhotoSet, language: str) -> str:
    """What loading and cleaning found and did: each rejected file and each photo set aside with its reason."""
    return "\n".join(_said(_of_photos(photos, language), language))


def describe_report(photos: PhotoSet, checklist: Checklist, language: str) -> str:
    """The checklist with a sign per line, what to do next, what was found in which photo, and what cleaning did."""
    lines: list[Message | str] = [Message("photos.report_checklist", _verdicts(checklist))]
    lines += [f"{_SIGNS[item.verdict]} {sentence(item.said, language)}" for item in items_of(checklist)]
    advice = advise(checklist)
    lines.append(Message("photos.report_next" if advice else "photos.report_nothing_next"))
    lines += [f"{number}. {sentence(message, language)}" for number, message in enumerate(advice, start=1)]
    found = [photo for photo in photos.photos if photo.judgement and photo.judgement.findings]
    if found:
        lines.append(Message("photos.report_found", {"count": len(found)}))
    for photo in found:
        assert photo.judgement
        said = " ".join(sentence(message, language) for message in photo.judgement.findings)
        lines.append(f"- {shown_path(photo.source_path, photos.folder)}: {said}")
    lines += _of_photos(photos, language)
    return "\n".join(_said(lines, language))


def group_done(photos: Sequence[Photo]) -> dict[str, list[tuple[Photo, Message]]]:
    """What cleaning did, by kind of sentence in the order of first use: the photos, each with what was done to it."""
    groups: dict[str, list[tuple[Photo, Message]]] = {}
    for photo in photos:
        for message in photo.done:
            groups.setdefault(message.key, []).append((photo, message))
    return groups


def merged(messages: Sequence[Message]) -> Message:
    """One sentence for several of a kind: numbers become a range, other values a list of the first few."""
    names = messages[0].values
    return Message(messages[0].key, {name: _merged_value([one.values[name] for one in messages]) for name in names})


def _of_photos(photos: PhotoSet, language: str) -> Iterator[Message | str]:
    yield Message("photos.report_count", {"count": len(photos.photos), "folder": photos.folder})
    if photos.photos:
        by_area = sorted(photos.photos, key=lambda photo: photo.width_px * photo.height_px)
        small, large = (f"{photo.width_px} x {photo.height_px}" for photo in (by_area[0], by_area[-1]))
        yield Message("photos.report_sizes", {"small": small, "large": large})
    yield from photos.warnings
    if groups := group_done(photos.photos):
        yield Message("photos.report_done")
    for group in groups.values():
        if len(group) == 1:
            [(photo, message)] = group
            yield f"- {shown_path(photo.source_path, photos.folder)}: {sentence(message, language)}"
            continue
        names = name_some([shown_path(photo.source_path, photos.folder) for photo, _ in group], _NAMES_PER_LINE)
        said = sentence(merged([message for _, message in group]), language)
        yield f"- {len(group)} × {said} ({names})"
    if photos.set_aside:
        yield Message("photos.report_set_aside", {"count": len(photos.set_aside)})
    for one in photos.set_aside:
        yield f"- {shown_path(one.photo.source_path, photos.folder)}: {sentence(one.reason, language)}"
    if photos.rejected:
        yield Message("photos.report_rejected", {"count": len(photos.rejected)})
    for file in photos.rejected:
        yield f"- {shown_path(file.path, photos.folder)}: {sentence(file.reason, language)}"


def _verdicts(checklist: Checklist) -> Mapping[str, object]:
    verdicts = [item.verdict for item in items_of(checklist)]
    return {verdict: verdicts.count(verdict) for verdict in (GOOD, MEND, OPEN)}


def _said(lines: Iterable[Message | str], language: str) -> Iterator[str]:
    for line in lines:
        yield sentence(line, language) if isinstance(line, Message) else line


def _merged_value(values: Sequence[object]) -> object:
    numbers = [value for value in values if isinstance(value, int | float)]
    if all(value == values[0] for value in values) or isinstance(values[0], Message):
        return values[0]
    if len(numbers) == len(values):
        return f"{min(numbers)}–{max(numbers)}"
    return name_some(list(dict.fromkeys(str(value) for value in values)))
