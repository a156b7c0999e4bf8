"""Text marks: watermarks and text laid over a photo cut off at the rim, or listed to be painted over, or the photo set
aside. Text of the scene is only told about. Looks at the view; mark_painting.py does the painting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ...messages import Message
from ..boxes import area, contains, inside, intersection, outside, pixels_of
from ..judging.framing import shot_of
from ..photo import Box, Face
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .overlay import Lines, is_readable, tell_apart
from .tools import CleanTools, TextBox

_DEEPEST = 0.15
"""A cut takes at most this much off a side: a mark whose middle is in the outer 12 % and its own height."""
_MOST_PAINTED = 0.03
"""More than this of the picture's area is not painted over: what would be seen is invented (judgement)."""
_GAP = 0.35
"""Left between a mark and the cut, in heights of its letters: outlines and shadows reach beyond them."""
_HEAD = (0.35, 0.5, 0.35, 0.25)
"""What belongs to a head beyond its face's box, left, above, right and below, in face heights: hair, ears and chin."""
_FEET = 9.0
"""Where the feet of a standing person are, in face heights below the chin (a body is 7.5 heads high)."""
_SHOWN_TEXT = 40
_ROUNDS = 2


def treat_text_marks(draft: Draft, config: CleanConfig, tools: CleanTools) -> Draft:
    """A framing step: marks cut off, listed in `draft.marks`, or the photo set aside; after a cut it looks again.

    Nothing is cut off under a frame that the user has drawn, and not where nobody has looked for faces.
    """
    if config.text_marks == OFF or tools.text_finder is None:
        return draft
    for _ in range(_ROUNDS):
        lines = _lines_in_frame(draft, tools)
        treated = _treated(draft, lines, config)
        is_cut = treated.frame != draft.frame
        draft = treated
        if not is_cut or draft.set_aside:
            break
    if draft.set_aside:
        return draft
    return _note_scene(draft, lines.scene)


def _treated(draft: Draft, lines: Lines, config: CleanConfig) -> Draft:
    is_done = config.text_marks == APPLY
    if lines.tiled:
        values = {"text": _quoted(lines.tiled), "count": len(lines.tiled)}
        if is_done:
            return draft.leave_out(Message("photos.text_tiled", values))
        return draft.note(Message("photos.text_tiled_found", values))
    rest = []
    framed = draft
    for mark in lines.marks:
        if intersection(mark.box, framed.frame) is None:
            continue
        frame = _frame_without(mark, framed, config.min_side_px)
        if frame is None:
            rest.append(mark)
            continue
        percent = _percent(1 - area(frame) / area(framed.frame))
        message = Message("photos.text_cut" if is_done else "photos.text_cut_found", _values(mark, draft, percent))
        framed = framed.cut(frame, message) if is_done else framed.note(message)
    left = [mark for mark in rest if intersection(mark.box, framed.frame)]
    return _without_rest(framed, left, is_done)


def _without_rest(draft: Draft, marks: list[TextBox], is_done: bool) -> Draft:
    """Marks that no cut takes away: listed to be painted over if they are small and off the face."""
    if not marks:
        return draft
    covered = sum(area(mark.box) for mark in marks) / area(draft.frame)
    on_face = next((mark for mark in marks if _is_on_face(mark.box, draft)), None)
    if on_face:
        key, mark, more = "photos.text_on_face", on_face, {}
        percent = _percent(area(mark.box) / area(draft.frame))
    elif covered > _MOST_PAINTED:
        key, mark, more = "photos.text_large", max(marks, key=lambda one: area(one.box)), {"limit": 3}
        percent = _percent(covered)
    else:
        boxes = tuple(mark.box for mark in marks)
        if is_done:
            draft = dataclasses.replace(draft, marks=draft.marks + boxes)
        for mark in marks:
            values = _values(mark, draft, _percent(area(mark.box) / area(draft.frame)))
            draft = draft.note(Message("photos.text_painted" if is_done else "photos.text_paint_found", values))
        return draft
    values = {**_values(mark, draft, percent), **more}
    if is_done:
        return draft.leave_out(Message(key, values))
    return draft.note(Message(f"{key}_found", values))


def _note_scene(draft: Draft, lines: tuple[TextBox, ...]) -> Draft:
    shown = [line for line in lines if intersection(line.box, draft.frame)]
    if not shown:
        return draft
    largest = max(shown, key=lambda line: area(line.box))
    values = {"count": len(shown), "text": _quoted(tuple(shown)), "where": where_in(largest.box, draft.frame)}
    return draft.note(Message("photos.text_scene", values))


def _lines_in_frame(draft: Draft, tools: CleanTools) -> Lines:
    """The lines in the part that is kept, told apart, in shares of the whole photo. Not those the user has marked."""
    assert tools.text_finder is not None
    part = draft.view.crop(pixels_of(draft.frame, *draft.view.size))
    lines = tuple(line for line in tools.text_finder.find(part) if line.text.strip())
    face = inside(draft.face, draft.frame) if draft.face else None
    told = tell_apart(part, lines, face)

    def moved(some: tuple[TextBox, ...]) -> Iterator[TextBox]:
        for line in some:
            box = outside(line.box, draft.frame)
            corners = tuple(outside((*corner, *corner), draft.frame)[:2] for corner in line.corners)
            if not any(_covers(mark, box) for mark in draft.edit.marks):
                yield dataclasses.replace(line, box=box, corners=corners)

    return Lines(marks=tuple(moved(told.marks)), tiled=tuple(moved(told.tiled)), scene=tuple(moved(told.scene)))


def _frame_without(mark: TextBox, draft: Draft, min_side_px: int) -> Box | None:
    """The frame cut beside a mark where that takes the least; None where no cut leaves a good photo of the subject."""
    if draft.edit.crop is not None or draft.judgement.detector == "none":
        return None
    left, top, right, bottom = draft.frame
    height_px = min(
        (mark.box[2] - mark.box[0]) * draft.photo.width_px, (mark.box[3] - mark.box[1]) * draft.photo.height_px
    )
    across, down = _GAP * height_px / draft.photo.width_px, _GAP * height_px / draft.photo.height_px
    frames = (
        (mark.box[2] + across, top, right, bottom), (left, mark.box[3] + down, right, bottom),
        (left, top, mark.box[0] - across, bottom), (left, top, right, mark.box[1] - down),
    )  # fmt: skip
    good = [frame for frame in frames if _is_good(frame, draft, min_side_px)]
    return max(good, key=area, default=None)


def _is_good(frame: Box, draft: Draft, min_side_px: int) -> bool:
    taken = 1 - area(frame) / area(draft.frame)  # of the frame: borders that were trimmed before do not count
    longest_px = max(dataclasses.replace(draft, frame=frame).frame_px)
    if not contains(draft.frame, frame) or not 0 < taken <= _DEEPEST or longest_px < min_side_px:
        return False
    if not draft.judgement.faces:
        return True
    face = draft.judgement.faces[0]
    head = intersection(_head(face.box, draft), draft.frame)
    if head is None:
        return True
    if not contains(frame, head) or _shot_in(face, frame) != _shot_in(face, draft.frame):
        return False
    feet = face.box[3] + _FEET * (face.box[3] - face.box[1])
    is_standing = _shot_in(face, frame) == "full body"
    return not is_standing or frame[3] == draft.frame[3] or frame[3] >= min(feet, 1.0)


def _is_on_face(box: Box, draft: Draft) -> bool:
    return draft.face is not None and intersection(box, _head(draft.face, draft, hair=False)) is not None


def _head(face: Box, draft: Draft, *, hair: bool = True) -> Box:
    """The face with what belongs to it; without hair only a little more than its box, which may be a little small."""
    height = face[3] - face[1]
    across = height * draft.photo.height_px / draft.photo.width_px
    more = _HEAD if hair else (0.1, 0.15, 0.1, 0.1)
    return (
        face[0] - more[0] * across, face[1] - more[1] * height, face[2] + more[2] * across, face[3] + more[3] * height
    )  # fmt: skip


def _shot_in(face: Face, frame: Box) -> str:
    return shot_of(dataclasses.replace(face, box=inside(face.box, frame)))


def _covers(mark: Box, box: Box) -> bool:
    shared = intersection(mark, box)
    return shared is not None and area(shared) >= 0.5 * area(box)


def where_in(box: Box, frame: Box) -> Message:
    """In which ninth of the frame the middle of a box lies, in words."""
    left, top, right, bottom = inside(box, frame)
    column = min(2, max(0, int((left + right) / 2 * 3)))
    row = min(2, max(0, int((top + bottom) / 2 * 3)))
    return Message(f"photos.place_{('top', 'middle', 'bottom')[row]}_{('left', 'centre', 'right')[column]}")


def _values(mark: TextBox, draft: Draft, percent: float) -> dict[str, object]:
    return {"text": _quoted((mark,)), "where": where_in(mark.box, draft.frame), "percent": percent}


def _quoted(lines: tuple[TextBox, ...]) -> str:
    """What the lines say, each once, in one line of limited length."""
    words = " / ".join(dict.fromkeys(" ".join(line.text.split()) for line in lines if is_readable(line)))
    return words if len(words) <= _SHOWN_TEXT else words[: _SHOWN_TEXT - 1] + "…"


def _percent(share: float) -> float:
    """Small shares keep one digit after the point: 0.4 % is not nothing."""
    percent = round(100 * share, 1)
    return percent if percent < 1 else round(percent)
