"""Help pages and READMEs: both languages say the same, name only what there is, and show pictures that are there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.nodes.schemas import ROOT, declared_nodes
from trainer.memory.constants import read_constants
from trainer.memory.costs import ModelShape, Workload, peak_parts
from trainer.memory.lanes import Lane

NODES = declared_nodes()
PAGES = {node_id: tuple(ROOT / f"web/docs/{node_id}/{language}.md" for language in ("en", "zh")) for node_id in NODES}
PAIRS = {**PAGES, "README": (ROOT / "README.md", ROOT / "README.zh.md")}
LABELS = json.loads((ROOT / "locales/zh/nodeDefs.json").read_text(encoding="utf-8"))
WIDGETS = {given for node in NODES.values() for given in (*node.inputs, *node.output_ids)}
NOT_WIDGETS = {
    "zimage_lora", "models_dir", "output_dir", "metadata.jsonl", "file_name", "schedule-free", "logit_normal",
    "folder_path", "caption_ext", "dataset_config", "musubi_cache", "dora_scale", "res_multistep", "facerestore_models",
    "workflow_api",
}  # fmt: skip
"""Names with an underscore that are set as code and belong to other programs, to values or to files."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """The page without its fenced blocks and what is set as code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def headings(text: str) -> list[int]:
    """The levels of the headings, in order."""
    return [
        len(found) for found in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    ]


def tables(text: str) -> list[tuple[int, int]]:
    """Rows and columns of each table, in order."""
    found: list[tuple[int, int]] = []
    lines = text.splitlines()
    for before, line in zip(["", *lines], lines):
        if line.startswith("|"):
            rows, _ = found.pop() if before.startswith("|") else (0, 0)
            found.append((rows + 1, line.count("|") - 1))
    return found


def links(text: str) -> list[str]:
    """Where links and pictures lead; a page's own language does not count."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return sorted(re.sub(r"\b(?:en|zh)\b", "*", link).replace("README.*", "README") for link in found)


def code_blocks(text: str) -> list[str]:
    """Fenced blocks without comments and what is said."""
    return re.findall(r"```(?:bash|yaml)\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_both_languages_have_the_same_parts(name: str) -> None:
    english, chinese = map(read, PAIRS[name])
    assert headings(english) == headings(chinese)
    assert tables(english) == tables(chinese)
    assert code_blocks(english) == code_blocks(chinese)
    marks = [len(re.findall(r"^\s*(?:-|\d+\.) ", text, re.MULTILINE)) for text in (english, chinese)]
    assert marks[0] == marks[1], "the same number of list items"
    assert links(english) == links(chinese)


@pytest.mark.parametrize("node_id", sorted(PAGES))
def test_both_languages_name_the_same_widgets(node_id: str) -> None:
    english, chinese = (set(re.findall(r"[`*]([a-z_]+)[`*]", read(path))) & WIDGETS for path in PAGES[node_id])
    assert english == chinese


@pytest.mark.parametrize("node_id", sorted(PAGES))
def test_every_widget_that_is_named_exists(node_id: str) -> None:
    for path in PAGES[node_id]:
        text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
        named = set(re.findall(r"[`*]([a-z]+(?:_[a-z]+)+)[`*]", text)) | set(re.findall(r"- \*\*([a-z_]+)\*\*", text))
        assert named - WIDGETS - NOT_WIDGETS == set(), path


@pytest.mark.parametrize("node_id", sorted(PAGES))
def test_chinese_page_names_every_widget_by_its_label_and_its_id(node_id: str) -> None:
    text = read(PAGES[node_id][1])
    for given, said in LABELS[node_id]["inputs"].items():
        if given not in {"photos", "dataset", "checkpoints"}:
            assert re.search(rf"{re.escape(said['name'])}(?:\*\*|”|)（`{given}`）", text), given


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_chinese_page_has_no_english_sentence_left(name: str) -> None:
    """Names of programs, models and settings stay; five words in a row are a sentence."""
    text = re.sub(
        r"(?m)^    .*$|\]\([^)]*\)|https?://\S+|“[^”]*”|<[^>]*>|\*[^*\n]*\*", "", without_code(read(PAIRS[name][1]))
    )
    assert re.findall(r"(?:\b[A-Za-z][a-z']+\s+){4,}[A-Za-z]+", text) == []


@pytest.mark.parametrize("node_id", sorted(PAGES))
def test_pictures_are_there_and_small(node_id: str) -> None:
    """The front end looks for them from web/docs on, whatever folder the page is in."""
    for path in PAGES[node_id]:
        pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", read(path))
        assert pictures, path
        for picture in pictures:
            file = ROOT / "web/docs" / picture
            assert picture.startswith(f"{node_id}/") and file.is_file(), picture
            assert file.stat().st_size < 100_000, picture


def test_no_picture_lies_about_unused() -> None:
    text = "".join(read(path) for pair in PAIRS.values() for path in pair)
    assert [path.name for path in ROOT.glob("web/docs/*/*.jpg") if f"{path.parent.name}/{path.name}" not in text] == []


def test_script_for_several_people_is_the_same_in_both_languages_and_needs_no_package() -> None:
    scripts = [re.findall(r"```python\n(.*?)```", read(path), re.DOTALL) for path in PAGES["TrainZImageLoRA"]]
    assert [len(found) for found in scripts] == [1, 1] and len(scripts[0][0].splitlines()) <= 42

    def program(script: str) -> str:
        tree = ast.parse(script)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.isidentifier():
                node.value = ""
        return ast.dump(tree)

    english, chinese = (script[0].replace("cancelled", "").replace("已取消", "") for script in scripts)
    assert program(english) == program(chinese)
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(ast.parse(english))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported == {"json", "sys", "time", "urllib"}


def test_memory_in_the_table_of_cards_is_what_the_planner_counts() -> None:
    constants = read_constants().constants
    full = ModelShape(dim=3840, num_blocks=30, num_refiners=2, num_heads=30, text_width=2560)

    def peak_gb(num_photos: int = 1, **lane: object) -> str:
        work = Workload(
            num_tokens=1088 * num_photos, tokens_each=1088, num_trained=170_065_920, optimizer="adam8bit"
        )  # fmt: skip
        lane = {"num_blocks_recomputed": 30, **lane}
        return f"{peak_parts(full, work, Lane(**lane), constants, is_cuda=True).total / 1e9:.1f} GB"  # type: ignore[arg-type]

    counted = [
        peak_gb(precision="bf16", num_blocks_recomputed=0),
        peak_gb(num_photos=2, precision="bf16", num_blocks_recomputed=0),
        peak_gb(precision="bf16", num_blocks_offloaded=3),
        peak_gb(precision="int8"),
        peak_gb(precision="bf16", num_blocks_offloaded=13),
        peak_gb(precision="bf16", num_blocks_offloaded=24),
        peak_gb(precision="int8", num_blocks_offloaded=15),
        peak_gb(precision="nf4", num_blocks_offloaded=30),
    ]
    for path in PAGES["TrainZImageLoRA"]:
        table = re.sub(r"\s", " ", read(path))
        assert [number for number in counted if number not in table] == []
