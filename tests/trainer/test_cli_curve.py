"""The loss curve: every run can be drawn, and what is drawn is the run."""

import PIL.Image
import pytest

from trainer.training.evidence.validation_curve import ticks
from trainer.training.evidence.verdict import Validation
from trainer.training.telling.curve import draw_curve, smoothed
from trainer.training.telling.phases import phase_of

TREND, VALIDATION = (25, 95, 170), (205, 95, 20)


def trend_heights(picture: PIL.Image.Image) -> list[float]:
    """Where the trend is in every fiftieth column, in pixels from the top."""
    pixels = picture.load()
    heights = []
    for x in range(95, 1155, 50):
        column = [y for y in range(90, 570) if max(abs(a - b) for a, b in zip(pixels[x, y], TREND)) < 50]
        heights.append(sum(column) / len(column))
    return heights


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("losses", [(), (0.5,), (0.0, 0.0), (1.0, 2.0, 1e9), tuple([0.3] * 4200)])
def test_every_run_can_be_drawn(losses, language):
    assert draw_curve(losses, phase_of, language).size == (1200, 640)


def test_a_falling_loss_is_a_falling_line():
    heights = trend_heights(draw_curve([1 - step / 400 for step in range(300)], phase_of, "en"))
    assert heights == sorted(heights)


def test_one_wild_step_does_not_press_the_curve_flat():
    losses = [1 - step / 400 for step in range(300)]
    calm = trend_heights(draw_curve(losses, phase_of, "en"))
    losses[150] = 50.0
    wild = trend_heights(draw_curve(losses, phase_of, "en"))
    assert wild[-1] - wild[0] > 0.8 * (calm[-1] - calm[0])


def validations(*losses: float) -> list[Validation]:
    """One every 100 steps from 0 on, of two photos that differ a little."""
    return [Validation(step=100 * i, losses=((loss + 1e-4 * i,), (loss - 1e-4 * i,))) for i, loss in enumerate(losses)]


def coloured(picture: PIL.Image.Image, x: int) -> list[int]:
    """Where the validation's colour is in a column, in pixels from the top, below the headings."""
    pixels = picture.load()
    return [y for y in range(700, 860) if max(abs(a - b) for a, b in zip(pixels[x, y], VALIDATION)) < 60]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("num_steps", [0, 1, 150, 4200])
def test_every_validation_can_be_drawn(language, num_steps):
    picture = draw_curve(
        [0.3] * num_steps, phase_of, language, validations=validations(0.9, 0.5, 0.6, 9.0), recommended_step=100
    )
    assert picture.size == (1200, 900)


def test_the_validation_stands_below_its_steps_and_falls_and_rises_with_its_loss():
    """A valley: the lower the loss, the lower the dot."""
    losses = [1 - step / 1000 for step in range(400)]
    picture = draw_curve(losses, phase_of, "en", validations=validations(0.9, 0.5, 0.3, 0.6, 0.8), recommended_step=200)
    columns = [round(90 + step / 399 * 1070) for step in (0, 99, 199, 299, 399)]
    heights = [max(coloured(picture, x)) for x in columns]
    assert heights[0] < heights[1] < heights[2] > heights[3] > heights[4]


def test_smoothing_keeps_a_constant_and_the_mean():
    assert smoothed([0.5] * 100, 0.1) == pytest.approx([0.5] * 100)
    assert len(smoothed([1.0, 2.0, 3.0], 0.05)) == 3


@pytest.mark.parametrize(("low", "high"), [(0, 4000), (0, 300), (0, 2), (0.4, 1.7), (0, 1e-6)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in found)
    assert all(float(f"{tick:.2g}") == pytest.approx(tick) for tick in found)
