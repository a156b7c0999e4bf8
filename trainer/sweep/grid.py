"""The grid: one picture with a row per checkpoint and a column per prompt and seed, labelled. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.Image
from PIL import ImageDraw

from ..labels import Labels
from ..messages import Message
from ..pictures import Font, fit_text, font
from ..training.keeping.results import SOUP_STEP
from .cells import UNTRAINED_STEP, RenderedCell
from .scores import Scores

GUIDE_STEPS = 4000
GUIDE_LABELS = {2500: "early", 3000: "good", 3500: "best", 4000: "final"}
"""What the guide calls the checkpoints of a run of 4000 steps."""
ROWS_WITHOUT_STEP = {UNTRAINED_STEP: "sweep.untrained", SOUP_STEP: "sweep.soup"}
"""What rows are called that no step has made."""
_WIDEST_PX, _TALLEST_PX = 4096, 12_000
"""What a grid of usual size stays within; of hundreds of rows or columns the labels alone take more."""
_LARGEST_CELL_PX, _SMALLEST_CELL_PX = 512, 48
_SMALLEST_TEXT_PX, _LARGEST_TEXT_PX = 15, 36
_GAP_PX = 8
_FRAME_PX = 4
_LABEL_WIDEST_PX = 420
_BACKGROUND, _TEXT, _FAINT, _MARK = (28, 28, 30), (235, 235, 235), (160, 160, 165), (240, 180, 40)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: whose pictures it shows, its label line by line, and whether it is marked."""

    step: int
    strength: float
    lines: tuple[str, ...]
    is_recommended: bool


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where everything goes, in pixels; nothing is drawn before all of it is known."""

    cell_px: tuple[int, int]
    text_font: Font
    line_px: int
    label_width_px: int
    title: str
    prompt_lines: tuple[tuple[str, ...], ...]
    num_seeds: int

    @property
    def header_px(self) -> int:
        """The height above the rows: title, prompts, seeds."""
        return _GAP_PX * 3 + self.line_px * (2 + max(map(len, self.prompt_lines)))

    def row_px(self, row: Row) -> int:
        """A row's height: its pictures or its label, whichever is taller."""
        return max(self.cell_px[1], len(row.lines) * self.line_px) + _GAP_PX * 2

    def left_px(self, column_index: int) -> int:
        """Where a column begins."""
        return self.label_width_px + _GAP_PX * 2 + column_index * (self.cell_px[0] + _GAP_PX)


def draw_grid(
    rendered: Sequence[RenderedCell], scores: Scores, *, run_name: str, last_step: int, language: str
) -> PIL.Image.Image:
    """The grid, RGB. Pictures larger than a cell are scaled down; labels are wrapped, never cut.

    Words that no font of this system can draw are said in English, and a prompt by its number (see `legend`).
    """
    by_place = {(one.cell.step, one.cell.strength, one.cell.prompt, one.cell.seed): one.path for one in rendered}
    prompts = list(dict.fromkeys(one.cell.prompt for one in rendered))
    seeds = list(dict.fromkeys(one.cell.seed for one in rendered))
    with PIL.Image.open(rendered[0].path) as first:
        num_rows = len({(one.cell.step, one.cell.strength) for one in rendered})
        cell_px = _cell_size(first.size, len(prompts) * len(seeds), num_rows)
    text_px = min(_LARGEST_TEXT_PX, max(_SMALLEST_TEXT_PX, cell_px[0] // 14))
    text_font = font(text_px)
    labels = Labels(text_font, language)
    rows = label_rows(rendered, scores, last_step, labels)
    layout = _Layout(
        cell_px=cell_px,
        text_font=text_font,
        line_px=round(text_px * 1.3),
        label_width_px=round(max(labels.width_px(line) for row in rows for line in row.lines)) + _GAP_PX * 2,
        title=labels.own(run_name, ""),
        prompt_lines=tuple(
            labels.wrap(
                labels.own(prompt, labels.say("sweep.prompt", number=index)),
                len(seeds) * (cell_px[0] + _GAP_PX) - _GAP_PX * 2,
            )
            for index, prompt in enumerate(prompts, start=1)
        ),
        num_seeds=len(seeds),
    )
    width_px = layout.left_px(len(prompts) * len(seeds)) + _GAP_PX
    picture = PIL.Image.new("RGB", (width_px, layout.header_px + sum(map(layout.row_px, rows)) + _GAP_PX), _BACKGROUND)
    seed_labels = [fit_text(labels.say("sweep.seed", seed=seed), text_font, cell_px[0]) for seed in seeds]
    _draw_header(picture, layout, seed_labels)
    top_px = layout.header_px
    for row in rows:
        _draw_label(picture, layout, row, top_px)
        for column_index, (prompt, seed) in enumerate((prompt, seed) for prompt in prompts for seed in seeds):
            with PIL.Image.open(by_place[row.step, row.strength, prompt, seed]) as image:
                shown = image.convert("RGB").resize(cell_px, PIL.Image.Resampling.LANCZOS)
            picture.paste(shown, (layout.left_px(column_index), top_px + _GAP_PX))
        top_px += layout.row_px(row)
    return picture


def legend(rendered: Sequence[RenderedCell], with_font: Font | None = None) -> tuple[Message, ...]:
    """What the prompts say that the grid can only number, for want of a font on this system."""
    prompts = dict.fromkeys(one.cell.prompt for one in rendered)
    labels = Labels(with_font or font(_SMALLEST_TEXT_PX), "en")
    return tuple(
        Message("sweep.legend", {"number": number, "prompt": prompt})
        for number, prompt in enumerate(prompts, start=1)
        if not labels.own(prompt, "")
    )


def _cell_size(image_px: tuple[int, int], num_columns: int, num_rows: int) -> tuple[int, int]:
    """The size of a cell: the pictures' own, or less where the grid would grow too large."""
    fits = min(_WIDEST_PX // num_columns, _TALLEST_PX // num_rows)
    widest = min(_LARGEST_CELL_PX, max(_SMALLEST_CELL_PX, fits))
    scale = min(1.0, widest / max(image_px))
    return max(1, round(image_px[0] * scale)), max(1, round(image_px[1] * scale))


def label_rows(rendered: Sequence[RenderedCell], scores: Scores, last_step: int, labels: Labels) -> list[Row]:
    """The rows with their labels: step, the guide's word for it, strength if there are several, likeness, the mark."""
    places = list(dict.fromkeys((one.cell.step, one.cell.strength) for one in rendered))
    several_strengths = len({strength for step, strength in places if step != UNTRAINED_STEP}) > 1
    rows = []
    for step, strength in places:
        label = (
            labels.say(ROWS_WITHOUT_STEP[step]) if step in ROWS_WITHOUT_STEP else labels.say("sweep.step", step=step)
        )
        if last_step == GUIDE_STEPS and step in GUIDE_LABELS:
            label += " · " + labels.say(f"sweep.label_{GUIDE_LABELS[step]}")
        lines = [*labels.wrap(label, _LABEL_WIDEST_PX)]
        if several_strengths and step != UNTRAINED_STEP:
            lines.append(labels.say("sweep.strength", strength=f"{strength:g}"))
        score = scores.of(step, strength)
        if score and score.likeness:
            lines.append(labels.say("sweep.grid_likeness", likeness=str(score.likeness)))
        if score and score.rejected:
            lines.append(labels.say("sweep.grid_rejected"))
        is_recommended = (step, strength) == (scores.recommended_step, scores.recommended_strength)
        if is_recommended:
            lines.append(labels.say("sweep.recommended"))
        rows.append(Row(step=step, strength=strength, lines=tuple(lines), is_recommended=is_recommended))
    return rows


def _draw_header(picture: PIL.Image.Image, layout: _Layout, seed_labels: Sequence[str]) -> None:
    draw = ImageDraw.Draw(picture)
    title = fit_text(layout.title, layout.text_font, picture.width - 2 * _GAP_PX)
    draw.text((_GAP_PX, _GAP_PX), title, fill=_FAINT, font=layout.text_font)
    for prompt_index, lines in enumerate(layout.prompt_lines):
        left_px = layout.left_px(prompt_index * layout.num_seeds)
        for line_index, line in enumerate(lines):
            top_px = _GAP_PX * 2 + layout.line_px * (1 + line_index)
            draw.text((left_px, top_px), line, fill=_TEXT, font=layout.text_font)
    for column_index in range(len(layout.prompt_lines) * layout.num_seeds):
        place = layout.left_px(column_index), layout.header_px - layout.line_px
        label = seed_labels[column_index % layout.num_seeds]
        draw.text(place, label, fill=_FAINT, font=layout.text_font)


def _draw_label(picture: PIL.Image.Image, layout: _Layout, row: Row, top_px: int) -> None:
    draw = ImageDraw.Draw(picture)
    if row.is_recommended:
        inside = (_FRAME_PX // 2, top_px, picture.width - _FRAME_PX, top_px + layout.row_px(row) - 1)
        draw.rectangle(inside, outline=_MARK, width=_FRAME_PX)
    for line_index, line in enumerate(row.lines):
        is_mark = row.is_recommended and line_index == len(row.lines) - 1
        place = _GAP_PX + _FRAME_PX, top_px + _GAP_PX + line_index * layout.line_px
        draw.text(place, line, fill=_MARK if is_mark else _TEXT, font=layout.text_font)
