"""The validation as a picture: its course over the steps, intervals, and the recommended step. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import PIL.Image
from PIL import ImageDraw

from ...labels import Labels
from .verdict import Validation, compare, lowest

PANEL_HEIGHT_PX = 260
_WIDTH_PX = 1200
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 90, 56, 1160, 230
_HEADER_PX = 24
_FINE = 2  # drawn at twice the size and scaled down, which smooths lines
_NUM_TICKS = 6
_BACKGROUND, _AXIS, _TEXT, _LINE = (255, 255, 255), (150, 150, 155), (60, 60, 65), (205, 95, 20)


def draw_validations(
    validations: Sequence[Validation],
    recommended_step: int | None,
    x_of_step_px: Callable[[float], float],
    labels: Labels,
) -> PIL.Image.Image:
    """A panel for below the loss curve, RGB. At least one validation.

    Each is a dot. The bar through it is the interval of its difference from the lowest one, which so has none: where a
    bar ends above the lowest dot, that checkpoint is worse by more than chance.
    """
    best = lowest(validations)
    margins = [compare(one, best).margin if one is not best else 0.0 for one in validations]
    low, high = _limits([one.loss for one in validations])

    def place_px(step: int, loss: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (loss - low) / (high - low)))
        x_px = min(max(x_of_step_px(max(1, step)), _LEFT_PX), _RIGHT_PX)
        return x_px * _FINE, (_BOTTOM_PX - share * (_BOTTOM_PX - _TOP_PX)) * _FINE

    picture = PIL.Image.new("RGB", (_WIDTH_PX * _FINE, PANEL_HEIGHT_PX * _FINE), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(
        tuple(side * _FINE for side in (_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX)), outline=_AXIS, width=_FINE
    )
    points = [place_px(one.step, one.loss) for one in validations]
    if len(points) > 1:
        draw.line(points, fill=_LINE, width=4, joint="curve")
    for one, margin, (x_px, y_px) in zip(validations, margins, points, strict=True):
        ends = [place_px(one.step, one.loss + side * margin) for side in (1, -1)]
        draw.line(ends, fill=_LINE, width=3)
        draw.ellipse((x_px - 8, y_px - 8, x_px + 8, y_px + 8), fill=_LINE)
        if one.step == recommended_step:
            draw.ellipse((x_px - 18, y_px - 18, x_px + 18, y_px + 18), outline=_LINE, width=5)
    picture = picture.resize((_WIDTH_PX, PANEL_HEIGHT_PX), PIL.Image.Resampling.LANCZOS)
    _write(ImageDraw.Draw(picture), validations, recommended_step, lambda loss: place_px(0, loss)[1] / _FINE, labels)
    return picture


def ticks(low: float, high: float, num: int = _NUM_TICKS) -> list[float]:
    """About `num` round numbers from `low` to `high`."""
    rough = (high - low) / num
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [size * index for index in range(math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9) + 1)]


def _limits(losses: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis, a little beyond what is shown; of a flat line a little of its height."""
    room = 0.15 * (max(losses) - min(losses)) or 0.05 * abs(max(losses)) or 1.0
    return min(losses) - room, max(losses) + room


def _write(
    draw: ImageDraw.ImageDraw,
    validations: Sequence[Validation],
    recommended_step: int | None,
    y_of_loss_px: Callable[[float], float],
    labels: Labels,
) -> None:
    for loss in ticks(*_limits([one.loss for one in validations]), num=3):
        y_px = y_of_loss_px(loss)
        draw.line((_LEFT_PX - 6, y_px, _LEFT_PX, y_px), fill=_AXIS)
        draw.text((_LEFT_PX - 10, y_px), f"{loss:.4g}", fill=_TEXT, font=labels.font, anchor="rm")
    name = labels.say("train.curve.validation", num=len(validations[-1].losses))
    draw.text((_LEFT_PX, _HEADER_PX), name, fill=_TEXT, font=labels.font, anchor="ls")
    if recommended_step is not None:
        said = labels.say("train.curve.recommended", step=recommended_step)
        draw.text((_RIGHT_PX, _HEADER_PX), said, fill=_LINE, font=labels.font, anchor="rs")
