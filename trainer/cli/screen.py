"""The words on the screen: sentences in the system's language, and progress on one line. Knows no stage."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Mapping
from typing import TextIO

from ..messages import Message, sentence

_LOG_EVERY_S = 10.0  # in a file or a pipe, where a line cannot be written over


def system_language(environment: Mapping[str, str]) -> str:
    """`zh` or `en`, from the variables that every command listens to, else from the system's own settings."""
    wanted = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), None)
    wanted = wanted or locale.getlocale()[0] or "en"  # Windows says `Chinese (Simplified)_China`
    return "zh" if wanted.lower().startswith(("zh", "chinese")) else "en"


class Screen:
    """Where sentences go, in one language; a progress line is written over by the next one."""

    def __init__(self, language: str | None = None, stream: TextIO | None = None) -> None:
        self.language = language or system_language(os.environ)
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._line = ""
        self._written_at_s = float("-inf")

    def say(self, key: str, **values: object) -> None:
        """One sentence on a line of its own."""
        self.say_message(Message(key, values))

    def say_message(self, message: Message) -> None:
        """One sentence on a line of its own."""
        self.say_text(sentence(message, self.language))

    def say_text(self, text: str) -> None:
        """Text that is in the user's language already."""
        self.end_progress()
        print(text, file=self._stream, flush=True)

    def progress(self, message: Message) -> None:
        """A sentence in place of the progress line before it; where nothing can be overwritten, a line now and then."""
        text = sentence(message, self.language)
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns - 1
            shown = _cut(text, columns)
            blanks = " " * max(0, _columns(self._line) - _columns(shown))
            print(f"\r{shown}{blanks}", end="", file=self._stream, flush=True)
            self._line = shown
        elif time.monotonic() - self._written_at_s >= _LOG_EVERY_S:
            self._written_at_s = time.monotonic()
            print(text, file=self._stream, flush=True)
            self._line = ""
        else:
            self._line = text

    def end_progress(self) -> None:
        """Leave the progress line as it is; what comes next stands below it."""
        if self._line:
            print("" if self._is_terminal else self._line, file=self._stream, flush=True)
            self._line = ""


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _cut(text: str, columns: int) -> str:
    while _columns(text) > columns:
        text = text[:-1]
    return text
