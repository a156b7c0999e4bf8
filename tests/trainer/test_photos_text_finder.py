"""The text finder: reads what is there, alike every time and in every thread, quickly, and without a network."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.trainer.known_people import astronaut
from trainer.messages import LANGUAGES, sentence
from trainer.photos.cleaning import rapid_text
from trainer.photos.cleaning.rapid_text import RapidText, installed_text_finder, text_finder_missing
from trainer.photos.cleaning.tools import TextFinder


@pytest.fixture(scope="module")
def finder() -> TextFinder:
    found = installed_text_finder()
    if found is None:
        pytest.skip("rapidocr is not installed")
    return found


def written(text: str, at: tuple[int, int], turned_deg: float = 0) -> Image.Image:
    image, _ = astronaut(768)
    layer = Image.new("RGBA", image.size)
    ImageDraw.Draw(layer).text(at, text, font=ImageFont.load_default(40), fill="white")
    image.paste(layer.rotate(turned_deg), mask=layer.rotate(turned_deg))
    return image


def test_a_line_is_read_where_it_stands(finder: TextFinder) -> None:
    lines = [line for line in finder.find(written("summer 2019", (400, 700))) if "2019" in line.text]
    assert len(lines) == 1 and lines[0].score > 0.8
    left, top, right, bottom = lines[0].box
    assert 0.48 < left < 0.53 and 0.88 < top < 0.94 and 0.75 < right < 0.87 and 0.94 < bottom <= 1
    assert len(lines[0].corners) == 4 and lines[0].corners[0] == pytest.approx((left, top), abs=0.01)


def test_a_picture_without_text_gives_nothing(finder: TextFinder) -> None:
    grey = np.full((700, 900, 3), 128, np.uint8)
    assert finder.find(Image.fromarray(grey)) == ()
    assert finder.find(Image.fromarray(grey[:1, :1])) == ()


def test_threads_read_the_same_as_one_alone(finder: TextFinder) -> None:
    pictures = [written(text, (350, y)) for y, text in enumerate(("one two", "three four"), 300)]
    alone = [finder.find(picture) for picture in pictures]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(finder.find, pictures)) == alone


def test_nothing_is_fetched_and_nothing_is_logged(
    finder: TextFinder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("asked for a network")

    monkeypatch.setattr(socket, "socket", no_network)
    with caplog.at_level(logging.INFO):
        assert RapidText().find(written("summer 2019", (400, 700)))
    said = capfd.readouterr()
    assert (said.out, said.err, caplog.records) == ("", "", [])


def test_what_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    there = rapid_text.find_spec
    gone = {"rapidocr", "pyclipper"}
    monkeypatch.setattr(rapid_text, "find_spec", lambda name: None if name in gone else there(name))
    assert installed_text_finder() is None
    for language in LANGUAGES:
        said = sentence(text_finder_missing(), language)
        assert "pip install --no-deps rapidocr" in said and "pyclipper" in said and "torch" not in said


def test_packages_that_do_not_fit_are_named_with_their_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapid_text, "_missing", list)
    monkeypatch.setattr(rapid_text, "_problem", lambda: "ImportError: DLL load failed")
    assert installed_text_finder() is None
    assert "DLL load failed" in sentence(text_finder_missing(), "en")
