"""The words on the screen: the system's language, one progress line, and no half characters."""

import io

import pytest

from trainer.cli.screen import Screen, system_language
from trainer.messages import Message, sentence


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "en_US"}, "zh"),
    ],
)
def test_the_language_is_the_systems(environment, language):
    assert system_language(environment) == language


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_progress_line_is_written_over_and_sentences_stand_below_it(language):
    stream = Terminal()
    screen = Screen(language, stream)
    for done in (1, 10, 2):
        screen.progress(Message("train.preparing.latents", {"done": done, "total": 10}))
    screen.say("cli.interrupted")
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3 and lines[0].count("\r") == 3
    assert lines[1] == sentence(Message("cli.interrupted"), language)


def test_no_progress_line_is_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Screen("zh", stream).progress(Message("train.preparing.latents", {"done": 123456789, "total": 123456789}))
    shown = stream.getvalue().strip("\r ")
    assert len(shown.encode("gb18030")) <= 19  # a Chinese character is two columns, and two bytes there


def test_a_log_file_gets_few_lines_and_always_the_last():
    stream = io.StringIO()
    screen = Screen("en", stream)
    for done in range(1, 101):
        screen.progress(Message("train.preparing.latents", {"done": done, "total": 100}))
    screen.end_progress()
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 3 and lines[-1].endswith("100/100")
    assert "\r" not in stream.getvalue()
