"""What people read about the nodes: tooltips and help exist for every node and widget, in both languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.nodes.schemas import ROOT, declared_nodes

NODES = declared_nodes()
LANGUAGES = ("en", "zh")


def translations(language: str) -> dict[str, Any]:
    """The texts the front end shows in a language."""
    return json.loads((ROOT / f"locales/{language}/nodeDefs.json").read_text(encoding="utf-8"))


def texts(part: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested mappings, with its place."""
    if isinstance(part, str):
        yield place, part
        return
    for name, inner in part.items():
        yield from texts(inner, f"{place}/{name}")


def test_all_nodes_are_found_with_literal_ids() -> None:
    photos = {"LoadPhotoFolder", "CleanAndResize", "AutoCaption", "DatasetReport"}
    loras = {"TrainZImageLoRA", "CheckpointSweep", "ApplyLoRA", "ConvertLoRA", "PublishLoRA"}
    assert NODES.keys() == photos | {"ExportDataset"} | loras


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_input_and_output_has_its_text(language: str) -> None:
    written = {
        node_id: (set(texts_of["inputs"]), list(texts_of["outputs"]), {"display_name", "description"} <= set(texts_of))
        for node_id, texts_of in translations(language).items()
    }
    declared = {
        node_id: (set(node.inputs), [str(index) for index in range(len(node.outputs))], True)
        for node_id, node in NODES.items()
    }
    assert written == declared


def test_both_languages_have_the_same_keys() -> None:
    assert [place for place, _ in texts(translations("en"))] == [place for place, _ in texts(translations("zh"))]


def test_english_texts_are_those_of_the_nodes() -> None:
    """Written twice only because the front end wants a file; `declared` is where they are changed."""
    for node_id, written in translations("en").items():
        node = NODES[node_id]
        assert (written["display_name"], written["description"]) == (node.display_name, node.description), node_id
        assert {name: text["tooltip"] for name, text in written["inputs"].items()} == node.inputs, node_id
        assert [text["tooltip"] for text in written["outputs"].values()] == node.outputs, node_id


def test_chinese_texts_are_chinese() -> None:
    plain = [
        place for place, text in texts(translations("zh")) if not any("\u4e00" <= letter <= "\u9fff" for letter in text)
    ]
    assert plain == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_holds_a_sign_that_the_front_end_would_interpret(language: str) -> None:
    """vue-i18n reads braces, pipes and at signs as its own language."""
    assert [place for place, text in texts(translations(language)) if set("{}|@") & set(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node_id", sorted(NODES))
def test_help_page_names_every_widget(node_id: str, language: str) -> None:
    page = (ROOT / f"web/docs/{node_id}/{language}.md").read_text(encoding="utf-8")
    sockets = {"photos", "dataset", "checkpoints"}
    assert [name for name in NODES[node_id].inputs if name not in page and name not in sockets] == []


def test_there_is_no_help_page_for_a_node_that_does_not_exist() -> None:
    assert {path.name for path in (ROOT / "web/docs").iterdir()} == NODES.keys()
