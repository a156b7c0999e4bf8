"""Sentences: all that the code says exists in both languages, and nothing is written that is never said.

The source is read as a syntax tree, not run. A key made at run time, such as `f"train.phase_{n}"`, stands for every key
that it fits.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from trainer.messages import LANGUAGES, Message, UserError, name_some, sentence, sentences

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("trainer/**/*.py"), *ROOT.glob("nodes/**/*.py"), *ROOT.glob("*.py")])
SCRIPTS = sorted(ROOT.glob("web/**/*.js"))
STAGES = "photos|captions|train|memory|adapter|base|sweep|apply|lora|convert|publish|host|cli|files|settings"
KEY = re.compile(rf"(?:{STAGES})(?:\.[a-z0-9_]+)+")
FILE_SUFFIXES = (".json", ".jsonl", ".yaml", ".png", ".py", ".md", ".txt", ".safetensors")
SAYERS = {"UserError", "Message"}


def fields(text: str) -> set[str]:
    """The names in the braces of a sentence."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a source file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def place_of(path: Path, node: ast.AST) -> str:
    """Where in the repository a piece of code is."""
    return f"{path.relative_to(ROOT).as_posix()}:{getattr(node, 'lineno', 0)}"


def key_pattern(node: ast.AST) -> str | None:
    """A regular expression for the keys that a literal can become, or None for one that is no key."""
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        # "train.phase." is the beginning of one; the rest is added by a plus.
        parts = [node.value, None] if node.value.endswith((".", "_")) else [node.value]
    else:
        return None
    example = "".join("x" if part is None else part for part in parts)
    if parts[0] is None or not re.match(rf"(?:{STAGES})\.", parts[0]) or not KEY.fullmatch(example):
        return None
    # File names such as "train.json" read like keys too.
    return None if example.endswith(FILE_SUFFIXES) else "".join(re.escape(p) if p else "[a-z0-9_.]+" for p in parts)


@cache
def keys_named() -> tuple[tuple[str, str], ...]:
    """For every literal that reads like a key: its place, and a regular expression for the keys it can be."""
    found = []
    for path in SOURCES:
        pieces = {id(part) for node in nodes_of(path) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes_of(path):
            pattern = key_pattern(node)
            if pattern and id(node) not in pieces:
                found.append((place_of(path, node), pattern))
    return tuple(found)


def calls_with_literal_key() -> Iterator[tuple[str, str, ast.Call]]:
    """Every `UserError("key", ...)` and `Message("key", ...)`: place, key, call."""
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute) and node.args:
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                key = node.args[0]
                if name in SAYERS and isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield place_of(path, node), key.value, node


def values_given(call: ast.Call) -> set[str] | None:
    """The names of the values a call hands over, or None if only running it would tell."""
    given = {keyword.arg for keyword in call.keywords}
    for values in call.args[1:]:
        if isinstance(values, ast.Dict) and all(isinstance(key, ast.Constant) for key in values.keys):
            given |= {key.value for key in values.keys if isinstance(key, ast.Constant)}
        elif isinstance(values, ast.Call) and isinstance(values.func, ast.Name) and values.func.id == "dict":
            given |= {keyword.arg for keyword in values.keywords}
        else:
            return None
    return None if None in given else {str(name) for name in given}


def test_both_languages_have_the_same_keys() -> None:
    assert sentences("en").keys() == sentences("zh").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_are_sorted_named_by_stage_and_unique(language: str) -> None:
    pairs: list[tuple[str, str]] = []
    text = (ROOT / f"trainer/messages/{language}.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=lambda found: pairs.extend(found))
    keys = [key for key, _ in pairs]
    assert keys == sorted(set(keys))
    assert [key for key in keys if not KEY.fullmatch(key)] == []


def test_both_languages_have_the_same_braces() -> None:
    english, chinese = sentences("en"), sentences("zh")
    assert [key for key in english if fields(english[key]) != fields(chinese[key])] == []


def test_every_sentence_can_be_said() -> None:
    class Anything(dict):
        def __missing__(self, key: str) -> int:
            return 3

    for language in LANGUAGES:
        for key, text in sentences(language).items():
            said = text.format_map(Anything())
            assert said.strip(), key
            assert language == "zh" or not re.search("[\u4e00-\u9fff]", text), key


def test_every_key_that_the_code_names_exists() -> None:
    known = sentences("en")
    lacking = {f"{place} {key}" for place, key, _ in calls_with_literal_key() if key not in known}
    lacking |= {f"{place} {key}" for place, key in keys_named() if not any(re.fullmatch(key, one) for one in known)}
    assert sorted(lacking) == []


def test_no_sentence_is_left_that_nobody_says() -> None:
    patterns = {pattern for _, pattern in keys_named()}
    patterns |= {re.escape(key) for path in SCRIPTS for key in KEY.findall(path.read_text(encoding="utf-8"))}
    one_of_them = re.compile("|".join(f"(?:{pattern})" for pattern in sorted(patterns)))
    assert [key for key in sentences("en") if not one_of_them.fullmatch(key)] == []


def test_every_value_in_a_sentence_is_handed_over() -> None:
    wrong = []
    for place, key, call in calls_with_literal_key():
        given = values_given(call)
        if key in sentences("en") and given is not None and given != fields(sentences("en")[key]):
            wrong.append(f"{place} {key}: handed over {sorted(given)}")
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "spoken"),
    [("en", "en"), ("zh", "zh"), ("zh-TW", "zh"), ("zh_CN.UTF-8", "zh"), ("ZH", "zh"), ("fr", "en"), ("", "en")],
)
def test_every_language_is_answered_in_one_we_speak(language: str, spoken: str) -> None:
    message = Message("settings.low", {"name": "x", "value": 1, "low": 2})
    assert sentence(message, language) == sentences(spoken)["settings.low"].format(name="x", value=1, low=2)


def test_user_errors_speak_english_and_keep_their_message() -> None:
    error = UserError("files.bad_name", name="{braces} in a/name")
    assert isinstance(error, ValueError) and "{braces} in a/name" in str(error)
    assert error.message == Message("files.bad_name", {"name": "{braces} in a/name"})


def test_names_beyond_the_limit_are_counted() -> None:
    assert name_some(["a"]) == "a"
    assert name_some(["a", "b", "c"]) == "a, b, c"
    assert name_some(["a", "b", "c", "d", "e"]) == "a, b, c (+2)"
