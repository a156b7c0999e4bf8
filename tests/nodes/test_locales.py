"""What people read about the nodes: tooltips and help exist for every node and widget, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.nodes.schemas import ROOT, declared_nodes
from trainer.messages import sentences

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


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese letter."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


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
    """But for the labels: in English a widget is called by its id, as the guide calls it."""
    chinese = [place for place, _ in texts(translations("zh")) if not place.endswith("/name")]
    assert [place for place, _ in texts(translations("en"))] == chinese


def test_chinese_labels_are_named_and_their_tooltips_begin_with_the_id() -> None:
    """Who follows the guide looks for `linear_rank`; the canvas shows LoRA 秩."""
    for node_id, written in translations("zh").items():
        ids = [*written["inputs"], *NODES[node_id].output_ids]
        for given_id, text in zip(ids, [*written["inputs"].values(), *written["outputs"].values()], strict=True):
            assert text["tooltip"].startswith(f"{given_id}："), (node_id, given_id)
            assert text["name"] in {"CLIP", "VAE", "LoRA"} or is_chinese(text["name"]), (node_id, given_id)
            assert len(text["name"]) <= 10, (node_id, given_id)


@pytest.mark.parametrize("node_id", sorted(NODES))
def test_chinese_labels_on_one_node_differ(node_id: str) -> None:
    written = translations("zh")[node_id]
    names = [text["name"] for text in written["inputs"].values()]
    assert len(set(names)) == len(names)


def test_chinese_messages_name_a_widget_by_its_label_and_its_id() -> None:
    """`总步数（total_steps）`: the label is what the node shows, the id is what YAML files and the guide say."""
    labels: dict[str, set[str]] = {}
    for written in translations("zh").values():
        for given_id, text in written["inputs"].items():
            labels.setdefault(given_id, set()).add(text["name"])
    naming = re.compile(r"(?<![\[\w{/.（(-])(" + "|".join(id_ for id_ in labels if "_" in id_) + r")(?![\]\w}/.!=:-])")
    bare = {key: found[0] for key, text in sentences("zh").items() if (found := naming.findall(text))}
    assert {key: name for key, name in bare.items() if not key.startswith("cli.")} == {}
    named = re.compile(r"（([a-z]+_[a-z_]+)）")
    for key, text in sentences("zh").items():
        for match in named.finditer(text):
            if (given_id := match[1]) in labels and not key.startswith(("cli.", "sweep.too_many_cells")):
                assert text[: match.start()].endswith((*labels[given_id], "预览")), (key, given_id)


def test_english_texts_are_those_of_the_nodes() -> None:
    """Written twice only because the front end wants a file; `declared` is where they are changed."""
    for node_id, written in translations("en").items():
        node = NODES[node_id]
        assert (written["display_name"], written["description"]) == (node.display_name, node.description), node_id
        assert {name: text["tooltip"] for name, text in written["inputs"].items()} == node.inputs, node_id
        assert [text["tooltip"] for text in written["outputs"].values()] == node.outputs, node_id


def test_chinese_texts_are_chinese() -> None:
    texts_of = [(place, text) for place, text in texts(translations("zh")) if not place.endswith("/name")]
    assert [place for place, text in texts_of if not is_chinese(text)] == []


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
