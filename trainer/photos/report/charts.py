"""Charts: shares against their targets, and how a quality spreads over the photos. Counts nothing but bars."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ...messages import Message
from .mix import GOOD, MEND, Mix, Variety, Wanted
from .paint import (
    BLUE,
    FAINT,
    GAP_PX,
    GREY,
    LINE,
    ORANGE,
    PANEL,
    RED,
    SMALL_PX,
    TEXT,
    TEXT_PX,
    Color,
    labels_of,
    line_px,
    panel,
    write,
)
from .words import kind_word

_NAME_PX, _NUMBER_PX, _BAR_PX, _ROW_PX = 150, 170, 16, 26


def draw_mix(title: Message, mix: Mix, width_px: int, language: str) -> Image.Image:
    """A bar per kind on a scale of 0 to 100 %, the wanted range behind it, and what is unknown below.

    A solid bar is the share of the photos whose kind is known. A triangle says that there are too few or too many.
    """
    labels, heading = labels_of(SMALL_PX, language), labels_of(TEXT_PX, language)
    rows = [kind for kind, wanted in mix.targets.items() if mix.counts[kind] or (mix.num_known and wanted != Wanted())]
    if not mix.num_known:  # nothing to show but ranges that have two ends
        rows = [kind for kind, wanted in mix.targets.items() if wanted.low > 0 and wanted.high < 1]
    image, draw = panel(width_px, line_px(TEXT_PX) + _ROW_PX * (len(rows) + bool(mix.unknown)) + GAP_PX)
    write(draw, (0, 0), heading.say(title.key, **title.values), heading, width_px)
    top = line_px(TEXT_PX) + 4
    scale_px = width_px - _NAME_PX - _NUMBER_PX
    for kind in rows:
        word = kind_word(kind)
        wanted = mix.targets[kind]
        low, high = wanted.counts(mix.num_known)
        state = 0 if not mix.num_known else -1 if mix.counts[kind] < low else 1 if mix.counts[kind] > high else 0
        write(draw, (_NAME_PX - GAP_PX, top), labels.say(word.key), labels, _NAME_PX - GAP_PX, TEXT, "ra")
        _scale(draw, (_NAME_PX, top), scale_px, (wanted.low, wanted.high))
        share = mix.share(kind)
        color = BLUE if not state else ORANGE
        if share:
            draw.rectangle((_NAME_PX, top + 3, _NAME_PX + share * scale_px, top + _BAR_PX - 3), fill=color)
        if state:
            _triangle(draw, (_NAME_PX + scale_px + 8, top + 2), _BAR_PX - 6, is_up=state > 0)
        number = f"{mix.counts[kind]}  ({100 * share:.0f} %)" + _range(wanted.low, wanted.high)
        write(draw, (_NAME_PX + scale_px + 24, top), number, labels, _NUMBER_PX - 24)
        top += _ROW_PX
    if mix.unknown:
        unknown = kind_word("unknown")
        write(draw, (_NAME_PX - GAP_PX, top), labels.say(unknown.key), labels, _NAME_PX - GAP_PX, FAINT, "ra")
        length_px = scale_px * mix.unknown / (mix.unknown + mix.num_known)
        _hatched(image, (_NAME_PX, top + 3, round(_NAME_PX + length_px), top + _BAR_PX - 3))
        write(draw, (_NAME_PX + scale_px + 24, top), str(mix.unknown), labels, _NUMBER_PX - 24, FAINT)
    return image


def draw_variety(title: Message, variety: Variety, width_px: int, language: str) -> Image.Image:
    """One bar in as many pieces as there are kinds, the largest first."""
    labels, heading = labels_of(SMALL_PX, language), labels_of(TEXT_PX, language)
    image, draw = panel(width_px, line_px(TEXT_PX) + _ROW_PX + GAP_PX)
    write(draw, (0, 0), heading.say(title.key, **title.values), heading, width_px)
    left, top = float(_NAME_PX), line_px(TEXT_PX) + 4
    scale_px = width_px - _NAME_PX - _NUMBER_PX
    total = max(1, variety.num_known + variety.unknown)
    for index, size in enumerate(variety.sizes):
        right = left + scale_px * size / total
        draw.rectangle((left, top, max(left, right - 2), top + _BAR_PX), fill=GREY if index % 2 else BLUE)
        if labels.width_px(str(size)) < right - left - 4:
            draw.text(((left + right) / 2, top + _BAR_PX / 2), str(size), PANEL, labels.font, anchor="mm")
        left = right
    if variety.unknown:
        _hatched(image, (round(left), top, _NAME_PX + scale_px, top + _BAR_PX))
        said = f"{labels.say('photos.kind_unknown')} {variety.unknown}"
        write(draw, (_NAME_PX + scale_px + 24, top), said, labels, _NUMBER_PX - 24, FAINT)
    return image


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How a number spreads over the photos."""

    title: Message
    values: Sequence[float]
    edges: Sequence[float]
    """Between the bins; the first and the last bin are open."""
    limits: Sequence[float]
    """Those edges at which the verdict changes."""
    verdict_of: Callable[[float], str]
    """Of a bin, by a number in it."""
    unknown: int
    """Photos without a number."""


def draw_histogram(histogram: Histogram, width_px: int, language: str) -> Image.Image:
    """A column per bin with its count, coloured by its verdict, the limits as lines."""
    labels, heading = labels_of(SMALL_PX, language), labels_of(TEXT_PX, language)
    plot_px, top = 130, line_px(TEXT_PX) + line_px(SMALL_PX) + 4
    image, draw = panel(width_px, top + plot_px + 2 * line_px(SMALL_PX) + GAP_PX)
    write(draw, (0, 0), heading.say(histogram.title.key, **histogram.title.values), heading, width_px)
    edges = histogram.edges
    counts = [0] * (len(edges) + 1)
    for value in histogram.values:
        counts[bisect_right(edges, value)] += 1
    middles = [edges[0] - 1, *((low + high) / 2 for low, high in zip(edges, edges[1:], strict=False)), edges[-1] + 1]
    column_px, floor = width_px / len(counts), top + plot_px
    for index, count in enumerate(counts):
        left = index * column_px
        height_px = plot_px * count / max(1, *counts)
        verdict = histogram.verdict_of(middles[index])
        color: Color = {GOOD: BLUE, MEND: RED}.get(verdict, ORANGE)
        draw.rectangle((left + 3, floor - height_px, left + column_px - 3, floor), fill=color if count else LINE)
        if count:
            draw.text((left + column_px / 2, floor - height_px - 2), str(count), TEXT, labels.font, anchor="mb")
    draw.line((0, floor, width_px, floor), fill=LINE)
    for index, edge in enumerate(edges, start=1):
        is_limit = edge in histogram.limits
        draw.text((index * column_px, floor + 4), f"{edge:g}", TEXT if is_limit else FAINT, labels.font, anchor="ma")
        if is_limit:
            for dash_top in range(top, floor, 8):
                draw.line((index * column_px, dash_top, index * column_px, dash_top + 4), fill=TEXT)
    if histogram.unknown:
        said = labels.say("photos.chart_unknown", count=histogram.unknown)
        write(draw, (0, floor + 4 + line_px(SMALL_PX)), said, labels, width_px, FAINT)
    return image


def _scale(draw: ImageDraw.ImageDraw, place: tuple[int, int], scale_px: int, wanted: tuple[float, float]) -> None:
    left, top = place
    draw.rectangle((left, top, left + scale_px, top + _BAR_PX), fill=PANEL)
    if wanted != (0.0, 1.0):
        draw.rectangle(
            (left + wanted[0] * scale_px, top, left + wanted[1] * scale_px, top + _BAR_PX), fill=LINE, outline=FAINT
        )


def _range(low: float, high: float) -> str:
    if (low, high) == (0.0, 1.0):
        return ""
    if low == 0:
        return f"  ≤ {100 * high:.0f}"
    return f"  ≥ {100 * low:.0f}" if high == 1 else f"  {100 * low:.0f}–{100 * high:.0f}"


def _triangle(draw: ImageDraw.ImageDraw, place: tuple[int, int], side_px: int, *, is_up: bool) -> None:
    left, top = place
    bottom, tip = (top + side_px, top) if is_up else (top, top + side_px)
    draw.polygon([(left, bottom), (left + side_px, bottom), (left + side_px / 2, tip)], fill=ORANGE)


def _hatched(image: Image.Image, box: tuple[int, int, int, int]) -> None:
    """A box of slanted lines: nothing that is known."""
    width_px, height_px = max(1, box[2] - box[0]), max(1, box[3] - box[1])
    part, draw = panel(width_px, height_px)
    for left in range(-height_px, width_px, 6):
        draw.line((left, height_px, left + height_px, 0), fill=GREY)
    draw.rectangle((0, 0, width_px - 1, height_px - 1), outline=GREY)
    image.paste(part, box[:2])
