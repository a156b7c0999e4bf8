"""Sentences: every text a user reads, by key and language. Knows no stage: stages name a key and give values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Message:
    """A sentence still to be said: a key of `messages/<language>.json` and the values for its braces.

    A Message among the values is said in the same language.
    """

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class UserError(ValueError):
    """A mistake the user can mend. `str()` is the English sentence; a host renders `message` in the user's language."""

    def __init__(self, key: str, **values: object) -> None:
        self.message = Message(key, values)
        super().__init__(sentence(self.message, "en"))


@lru_cache(maxsize=len(LANGUAGES))
def sentences(language: str) -> Mapping[str, str]:
    """All sentences of one language, by key. Raises KeyError for a language we do not speak."""
    if language not in LANGUAGES:
        raise KeyError(f"no sentences for language {language!r}; there are {', '.join(LANGUAGES)}")
    return json.loads((Path(__file__).parent / f"{language}.json").read_text(encoding="utf-8"))


def sentence(message: Message, language: str) -> str:
    """The message in a language: `en`, or `zh` and its variants (`zh-TW`, `zh_CN.UTF-8`). Others get English."""
    spoken = "zh" if language.lower().startswith("zh") else "en"
    values = {
        name: sentence(value, language) if isinstance(value, Message) else value
        for name, value in message.values.items()
    }
    return sentences(spoken)[message.key].format(**values)


def as_plain(message: Message) -> dict[str, Any]:
    """A message as JSON can hold it: its key, and its values as text, messages among them in the same way."""
    values = {
        name: as_plain(value) if isinstance(value, Message) else str(value) for name, value in message.values.items()
    }
    return {"key": message.key, "values": values}


def from_plain(plain: Mapping[str, Any]) -> Message:
    """The message that `as_plain` wrote. Raises KeyError, TypeError or AttributeError for anything else."""
    values = {
        name: from_plain(value) if isinstance(value, Mapping) else value for name, value in plain["values"].items()
    }
    return Message(plain["key"], values)


def in_every_language(message: Message) -> dict[str, str]:
    """The sentence in each language, for a page whose reader may change theirs.

    A message that another version wrote, whose key or values we do not know, is told by these.
    """
    try:
        return {language: sentence(message, language) for language in LANGUAGES}
    except (KeyError, IndexError, ValueError):
        told = ", ".join([message.key, *(f"{name}: {value}" for name, value in message.values.items())])
        return dict.fromkeys(LANGUAGES, told)


def name_some(names: list[str], limit: int = 3) -> str:
    """`a.jpg, b.jpg, c.jpg (+17)`: the first few names, and how many were left out."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" (+{more})" if more > 0 else "")
