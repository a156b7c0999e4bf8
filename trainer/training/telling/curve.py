"""The loss curve as a picture: every step, the trend, the guide's phases, below it the validation. Trains nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import PIL.Image
from PIL import ImageDraw

from ...labels import Labels
from ...pictures import font
from ..evidence.validation_curve import PANEL_HEIGHT_PX, draw_validations, ticks
from ..evidence.verdict import Validation

_WIDTH_PX, _HEIGHT_PX = 1200, 640
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 90, 90, 1160, 570
_HEADER_PX = 36  # the baseline of what stands above the plot
_TEXT_PX = 18
_FINE = 2  # lines are drawn at twice the size and scaled down, which smooths them
_TREND_SHARE = 0.05
"""The trend at a step is the mean of this share of all steps around it."""
_SHOWN_SHARE = 0.995
"""The axis ends where this share of the losses lies below; the few higher ones are drawn at its top."""
_BACKGROUND, _BAND, _AXIS, _TEXT = (255, 255, 255), (243, 244, 247), (150, 150, 155), (60, 60, 65)
_RAW, _TREND = (168, 200, 235), (25, 95, 170)


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """Where a step and a loss are in the picture."""

    last_step: int
    lowest: float
    highest: float

    def x_px(self, step: float) -> float:
        return _LEFT_PX + (step - 1) / (self.last_step - 1) * (_RIGHT_PX - _LEFT_PX)

    def y_px(self, loss: float) -> float:
        share = (loss - self.lowest) / (self.highest - self.lowest)
        return _BOTTOM_PX - min(1.0, max(0.0, share)) * (_BOTTOM_PX - _TOP_PX)


def draw_curve(
    losses: Sequence[float],
    phase_of: Callable[[int], str],
    language: str,
    *,
    validations: Sequence[Validation] = (),
    recommended_step: int | None = None,
) -> PIL.Image.Image:
    """The losses of steps 1, 2, ... as a picture, RGB.

    `phase_of` gives the message key of a step's phase; a run within one phase is drawn without phases. Validations
    stand below on an axis of their own, above the same steps: theirs are other photos and other shares of noise, so
    only the course of the two compares, and what matters there is far smaller than the noise of single steps.
    """
    lowest, highest = _limits(losses)
    axes = _Axes(last_step=max(2, len(losses)), lowest=lowest, highest=highest)
    trend = smoothed(losses, _TREND_SHARE)
    bands = _bands(len(losses), phase_of)
    picture = _draw_lines(losses, trend, bands, axes).resize((_WIDTH_PX, _HEIGHT_PX), PIL.Image.Resampling.LANCZOS)
    draw, labels = ImageDraw.Draw(picture), Labels(font(_TEXT_PX), language)
    _write(draw, bands, axes, trend[-1] if trend else math.nan, labels)
    if not validations:
        return picture
    both = PIL.Image.new("RGB", (_WIDTH_PX, _HEIGHT_PX + PANEL_HEIGHT_PX), _BACKGROUND)
    both.paste(picture, (0, 0))
    both.paste(draw_validations(validations, recommended_step, axes.x_px, labels), (0, _HEIGHT_PX))
    return both


def smoothed(losses: Sequence[float], share: float) -> list[float]:
    """Each value's mean with its neighbours, `share` of the whole together; fewer at the two ends."""
    reach = max(1, round(len(losses) * share / 2))
    sums = [0.0, *itertools.accumulate(losses)]
    windows = [(max(0, index - reach), min(len(losses), index + reach + 1)) for index in range(len(losses))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in windows]


def _limits(losses: Sequence[float]) -> tuple[float, float]:
    """The ends of the loss axis, which begins at 0 unless that would press the curve flat."""
    ordered = sorted(losses) or [0.0]
    highest = 1.05 * ordered[min(len(ordered) - 1, int(len(ordered) * _SHOWN_SHARE))] or 1.0
    return (0.95 * ordered[0] if ordered[0] > 0.4 * highest else 0.0), highest


def _bands(num_steps: int, phase_of: Callable[[int], str]) -> list[tuple[int, int, str]]:
    """(first step, last step, message key) of each phase; none where there is only one."""
    spans = [(key, list(steps)) for key, steps in itertools.groupby(range(1, num_steps + 1), key=phase_of)]
    return [(steps[0], steps[-1], key) for key, steps in spans] if len(spans) > 1 else []


def _draw_lines(
    losses: Sequence[float], trend: Sequence[float], bands: Sequence[tuple[int, int, str]], axes: _Axes
) -> PIL.Image.Image:
    picture = PIL.Image.new("RGB", (_WIDTH_PX * _FINE, _HEIGHT_PX * _FINE), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for first, last, _ in bands[::2]:
        left_px, right_px = axes.x_px(first) * _FINE, axes.x_px(last) * _FINE
        draw.rectangle((left_px, _TOP_PX * _FINE, right_px, _BOTTOM_PX * _FINE), fill=_BAND)
    for values, colour, width in ((losses, _RAW, 2), (trend, _TREND, 6)):
        points = [(axes.x_px(step) * _FINE, axes.y_px(loss) * _FINE) for step, loss in enumerate(values, start=1)]
        if points:  # a run may have lost its record of losses
            draw.line(points, fill=colour, width=width, joint="curve")
    frame = tuple(side * _FINE for side in (_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX))
    draw.rectangle(frame, outline=_AXIS, width=_FINE)
    return picture


def _write(
    draw: ImageDraw.ImageDraw, bands: Sequence[tuple[int, int, str]], axes: _Axes, last_trend: float, labels: Labels
) -> None:
    def write(x_px: float, y_px: float, text: str, anchor: str, colour: tuple[int, int, int] = _TEXT) -> None:
        draw.text((x_px, y_px), text, fill=colour, font=labels.font, anchor=anchor)

    for loss in ticks(axes.lowest, axes.highest):
        draw.line((_LEFT_PX - 6, axes.y_px(loss), _LEFT_PX, axes.y_px(loss)), fill=_AXIS)
        write(_LEFT_PX - 10, axes.y_px(loss), f"{loss:g}", "rm")
    for step in ticks(0, axes.last_step):
        if step >= 1 and step == int(step):
            draw.line((axes.x_px(step), _BOTTOM_PX, axes.x_px(step), _BOTTOM_PX + 6), fill=_AXIS)
            write(axes.x_px(step), _BOTTOM_PX + 28, f"{step:g}", "ms")
    for first, last, key in bands:
        phase = labels.say(key)
        if labels.width_px(phase) <= axes.x_px(last) - axes.x_px(first):
            write(axes.x_px((first + last) / 2), _TOP_PX - 12, phase, "ms")
    write(_LEFT_PX, _HEADER_PX, labels.say("train.curve.loss"), "ls")
    write(_RIGHT_PX, _HEADER_PX, labels.say("train.curve.trend", loss=f"{last_trend:.3f}"), "rs", _TREND)
    write(_RIGHT_PX, _HEIGHT_PX - 14, labels.say("train.curve.step"), "rs")
