"""Picture: the whole report as one picture, to be read on the node and at full size. Counts nothing itself.

Everything is laid out in strips of one width, each drawn by itself, so that nothing can lie over anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from ...labels import Labels
from ...messages import Message
from ..judging.findings import BLURRED_SHARPNESS, GRAINY, SMALL_FACE_PX, SOFT_SHARPNESS, VERY_GRAINY
from ..photo import UNKNOWN, PhotoSet
from .advice import advise
from .charts import Histogram, draw_histogram, draw_mix, draw_variety
from .checklist import NOTED, PROBLEMS, Checklist
from .items import items_of
from .mix import GOOD, MEND, OPEN
from .paint import (
    BLUE,
    FAINT,
    GAP_PX,
    LINE,
    RED,
    SMALL_PX,
    TEXT,
    TEXT_PX,
    TITLE_PX,
    Color,
    labels_of,
    line_px,
    panel,
    sign,
    stacked,
    tag,
    write,
)
from .sheet import MAX_PHOTOS, Cell, draw_cells, name_of
from .words import badge_word, kind_word, problem_word

WIDTH_PX = 1600
_COLUMNS, _MARGIN_PX = 10, 24
_REASON_LINES = 3
_ADVICE_LINES = 3
_INNER_PX = WIDTH_PX - 2 * _MARGIN_PX


def draw_report(photos: PhotoSet, checklist: Checklist, language: str) -> Image.Image:
    """The report, RGB, WIDTH_PX wide and as high as it needs to be. A photo that has gone is an empty frame."""
    half_px = (_INNER_PX - 2 * _MARGIN_PX) // 2
    strips = [
        _header(photos, checklist, language),
        _beside([_checklist(checklist, half_px, language), _mixes(checklist, half_px, language)]),
        _beside(_histograms(photos, language)),
        _advice(checklist, language),
        _photos(photos, checklist, language),
    ]
    if photos.set_aside:
        strips.append(_set_aside(photos, language))
    whole, draw = panel(WIDTH_PX, sum(strip.height + 2 * GAP_PX for strip in strips) + 2 * GAP_PX)
    top = GAP_PX
    for index, strip in enumerate(strips):
        if index:
            draw.line((_MARGIN_PX, top, WIDTH_PX - _MARGIN_PX, top), fill=LINE)
        whole.paste(strip, (_MARGIN_PX, top + GAP_PX))
        top += strip.height + 2 * GAP_PX
    return whole


def _header(photos: PhotoSet, checklist: Checklist, language: str) -> Image.Image:
    title, text = labels_of(TITLE_PX, language), labels_of(TEXT_PX, language)
    image, draw = panel(_INNER_PX, line_px(TITLE_PX) + line_px(TEXT_PX))
    verdicts = [item.verdict for item in items_of(checklist)]
    right = _INNER_PX
    for verdict in (OPEN, MEND, GOOD):
        number = str(verdicts.count(verdict))
        right -= round(title.width_px(number)) + 1
        draw.text((right, 2), number, TEXT, title.font)
        right -= TITLE_PX + 8
        sign(draw, (right, 4), TITLE_PX, verdict)
        right -= 2 * GAP_PX
    write(draw, (0, 0), title.say("photos.report_title", count=len(photos.photos)), title, right)
    folder = text.own(str(photos.folder).encode("utf-8", "replace").decode(), "")
    write(draw, (0, line_px(TITLE_PX)), " ".join(folder.split()), text, _INNER_PX, FAINT)
    return image


def _checklist(checklist: Checklist, width_px: int, language: str) -> Image.Image:
    labels = labels_of(TEXT_PX, language)
    indent_px = TEXT_PX + GAP_PX
    rows = []
    for item in items_of(checklist):
        lines = labels.wrap(labels.say(item.said.key, **item.said.values), width_px - indent_px)
        row, draw = panel(width_px, len(lines) * line_px(TEXT_PX) + 8)
        sign(draw, (0, 3), TEXT_PX, item.verdict)
        for number, line in enumerate(lines):
            draw.text((indent_px, number * line_px(TEXT_PX)), line, TEXT, labels.font)
        rows.append(row)
    return stacked(rows, width_px)


def _mixes(checklist: Checklist, width_px: int, language: str) -> Image.Image:
    mixes = {
        "shots": checklist.shots, "poses": checklist.poses, "expressions": checklist.expressions,
        "manners": checklist.manners,
    }  # fmt: skip
    rows = [draw_mix(Message(f"photos.chart_{name}"), mix, width_px, language) for name, mix in mixes.items()]
    for name, variety in (("light", checklist.light), ("outfits", checklist.outfits)):
        rows.append(draw_variety(Message(f"photos.chart_{name}"), variety, width_px, language))
    return stacked(rows, width_px)


def _histograms(photos: PhotoSet, language: str) -> list[Image.Image]:
    measured = [photo.judgement.quality for photo in photos.photos if photo.judgement and photo.judgement.quality]
    heights = [quality.face_height_px for quality in measured if quality.face_height_px is not None]
    unmeasured = len(photos.photos) - len(measured)

    def sharp(value: float) -> str:
        return MEND if value < BLURRED_SHARPNESS else OPEN if value < SOFT_SHARPNESS else GOOD

    def clean(value: float) -> str:
        return MEND if value > VERY_GRAINY else OPEN if value > GRAINY else GOOD

    sharpness = Histogram(
        title=Message("photos.chart_sharpness"),
        values=[quality.sharpness for quality in measured],
        edges=(BLURRED_SHARPNESS / 2, BLURRED_SHARPNESS, SOFT_SHARPNESS, 50, 80, 120, 200, 400),
        limits=(BLURRED_SHARPNESS, SOFT_SHARPNESS),
        verdict_of=sharp,
        unknown=unmeasured,
    )
    noise = Histogram(
        title=Message("photos.chart_noise"),
        values=[quality.noise for quality in measured],
        edges=(0.5, 1, 2, 3, GRAINY, 6, VERY_GRAINY, 12),
        limits=(GRAINY, VERY_GRAINY),
        verdict_of=clean,
        unknown=unmeasured,
    )
    faces = Histogram(
        title=Message("photos.chart_faces"),
        values=heights,
        edges=(SMALL_FACE_PX, 96, 128, 192, 256, 384, 512, 768),
        limits=(SMALL_FACE_PX,),
        verdict_of=lambda value: OPEN if value < SMALL_FACE_PX else GOOD,
        unknown=len(photos.photos) - len(heights),
    )
    width_px = (_INNER_PX - 4 * _MARGIN_PX) // 3
    return [draw_histogram(histogram, width_px, language) for histogram in (sharpness, noise, faces)]


def _advice(checklist: Checklist, language: str) -> Image.Image:
    labels = labels_of(TEXT_PX, language)
    messages = advise(checklist)
    heading = labels.say("photos.report_next" if messages else "photos.report_nothing_next")
    indent_px = round(labels.width_px("88. "))
    entries = [labels.wrap(labels.say(message.key, **message.values), _INNER_PX - indent_px) for message in messages]
    num_lines = 1 + sum(min(len(lines), _ADVICE_LINES) for lines in entries)
    image, draw = panel(_INNER_PX, num_lines * line_px(TEXT_PX) + 4 * len(entries) + 4)
    write(draw, (0, 0), heading, labels, _INNER_PX, FAINT)
    top = line_px(TEXT_PX) + 4
    for number, lines in enumerate(entries, start=1):
        draw.text((0, top), f"{number}.", FAINT, labels.font)
        for line in cut(lines, _ADVICE_LINES):
            draw.text((indent_px, top), line, TEXT, labels.font)
            top += line_px(TEXT_PX)
        top += 4
    return image


def _photos(photos: PhotoSet, checklist: Checklist, language: str) -> Image.Image:
    labels = labels_of(SMALL_PX, language)
    cells = []
    for index, photo in enumerate(photos.photos[:MAX_PHOTOS]):
        found = photo.judgement
        words = []
        for name in ("shot", "pose", "expression", "manner"):
            if found and getattr(found, name) != UNKNOWN:
                words.append(labels.say(kind_word(getattr(found, name)).key) + "*" * (name in found.labelled))
        cells.append(
            Cell(
                photo=photo,
                paths=(photo.path,),
                lines=(
                    name_of(photo, photos, index + 1, labels),
                    " · ".join(words[:2]) or labels.say("photos.kind_unknown"),
                    " · ".join(words[2:]),
                ),
                tags=tuple((_letter(one, labels), _color(one)) for one in checklist.problems_of(index)),
            )
        )
    if not any(cell.lines[2] for cell in cells):
        cells = [Cell(photo=one.photo, paths=one.paths, lines=one.lines[:2], tags=one.tags) for one in cells]
    sheet = draw_cells(cells, _COLUMNS, _thumb_px(), num_more=len(photos.photos) - len(cells))
    return stacked([_legend(checklist, labels, has_labels=_has_labels(photos)), sheet], _INNER_PX)


def _set_aside(photos: PhotoSet, language: str) -> Image.Image:
    heading, labels = labels_of(TEXT_PX, language), labels_of(SMALL_PX, language)
    title, draw = panel(_INNER_PX, line_px(TEXT_PX) + 4)
    said = heading.say("photos.report_set_aside", count=len(photos.set_aside))
    write(draw, (0, 0), said, heading, _INNER_PX, FAINT)
    cells = []
    for number, one in enumerate(photos.set_aside[: MAX_PHOTOS // 2], start=1):
        reason = labels.wrap(labels.say(one.reason.key, **one.reason.values), _thumb_px())
        lines = (name_of(one.photo, photos, number, labels), *cut(reason, _REASON_LINES))
        cells.append(Cell(photo=one.photo, paths=(one.photo.path,), lines=lines, is_faded=True))
    sheet = draw_cells(cells, _COLUMNS, _thumb_px(), num_more=len(photos.set_aside) - len(cells))
    return stacked([title, sheet], _INNER_PX)


def _legend(checklist: Checklist, labels: Labels, *, has_labels: bool) -> Image.Image:
    """What the letters on the photos mean, only those in use."""
    entries = [
        (_letter(one, labels), _color(one), f"{labels.say(problem_word(one).key)} ({len(checklist.problems[one])})")
        for one in PROBLEMS
        if one in checklist.problems
    ]
    rows: list[list[tuple[str, Color | None, str]]] = [[]]
    used_px = 0.0
    hand: list[tuple[str, Color | None, str]] = [("", None, labels.say("photos.legend_by_hand"))] if has_labels else []
    for entry in [*entries, *hand]:
        wide_px = line_px(SMALL_PX) + 6 + labels.width_px(entry[2]) + 2 * GAP_PX
        if used_px + wide_px > _INNER_PX and rows[-1]:
            rows.append([])
            used_px = 0.0
        rows[-1].append(entry)
        used_px += wide_px
    image, draw = panel(_INNER_PX, len(rows) * (line_px(SMALL_PX) + 8) if rows[0] else 1)
    for number, row in enumerate(rows):
        left, top = 0.0, number * (line_px(SMALL_PX) + 8)
        for letter, color, said in row:
            if color is not None:
                left += tag(draw, (round(left), top), letter, color, labels) + 6
            draw.text((left, top), said, TEXT, labels.font)
            left += labels.width_px(said) + 2 * GAP_PX
    return image


def cut(lines: Sequence[str], max_lines: int) -> tuple[str, ...]:
    """The first lines, with dots where some are left out."""
    if len(lines) <= max_lines:
        return tuple(lines)
    return (*lines[: max_lines - 1], lines[max_lines - 1][:-3] + "...")


def _beside(images: Sequence[Image.Image]) -> Image.Image:
    whole, _ = panel(_INNER_PX, max(image.height for image in images))
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + 2 * _MARGIN_PX
    return whole


def _thumb_px() -> int:
    return (_INNER_PX - GAP_PX) // _COLUMNS - GAP_PX


def _letter(problem: str, labels: Labels) -> str:
    return labels.say(badge_word(problem).key)


def _color(problem: str) -> Color:
    return BLUE if problem in (*NOTED, "alike", "no_face", "face_unsure") else RED


def _has_labels(photos: PhotoSet) -> bool:
    return any(photo.judgement and photo.judgement.labelled for photo in photos.photos)
