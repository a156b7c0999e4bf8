"""What ComfyUI's registry and its Manager read: metadata, the ids of the nodes, pictures, the list of packed files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from typing import Any

from PIL import Image

from tests.nodes.schemas import declared_nodes
from tests.packing import REPOSITORY, packed_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
COMFY = PROJECT["tool"]["comfy"]
RAW = re.compile(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/main/(.+)")


def test_metadata_is_what_the_registry_asks_for() -> None:
    project = PROJECT["project"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,98}", project["name"]) and "comfyui" not in project["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == {"file": "LICENSE"} and (REPOSITORY / "LICENSE").is_file()
    assert project["urls"].keys() >= {"Repository", "Documentation", "Bug Tracker"}
    assert re.fullmatch(r">=\d+\.\d+\.\d+", COMFY["requires-comfyui"]) and COMFY["PublisherId"] and COMFY["DisplayName"]
    assert any(line.startswith("Environment :: GPU :: ") for line in project["classifiers"])


def test_web_folder_is_named_once() -> None:
    """Named in both places, every script would be loaded twice."""
    assert "web" not in COMFY
    assert (REPOSITORY / "__init__.py").read_text(encoding="utf-8").count("WEB_DIRECTORY = ") == 1


def test_icon_is_square_and_banner_is_21_to_9() -> None:
    shown = {}
    for name in ("Icon", "Banner"):
        path = REPOSITORY / RAW.fullmatch(COMFY[name])[1]  # type: ignore[index]
        assert path.stat().st_size < 60_000
        with Image.open(path) as picture:
            shown[name] = picture.size
    assert shown["Icon"][0] == shown["Icon"][1] <= 400
    assert shown["Banner"][0] * 9 == shown["Banner"][1] * 21


def test_the_managers_scanner_finds_every_node() -> None:
    """It reads sources without running them: `node_id` as a literal in `io.Schema(...)` of a node's `define_schema`."""
    found = set()
    for path in REPOSITORY.glob("nodes/*.py"):
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(kind, ast.ClassDef) and any(ast.unparse(base).endswith("ComfyNode") for base in kind.bases):
                (method,) = (item for item in kind.body if getattr(item, "name", "") == "define_schema")
                calls = [call for call in ast.walk(method) if isinstance(call, ast.Call)]
                (schema,) = (call for call in calls if ast.unparse(call.func) == "io.Schema")
                found |= {ast.literal_eval(given.value) for given in schema.keywords if given.arg == "node_id"}
    assert found == declared_nodes().keys()
    names = (REPOSITORY / "nodes/__init__.py").read_text(encoding="utf-8")
    assert all(f"            {node_id},\n" in names for node_id in found)
    assert "NODE_CLASS_MAPPINGS" not in (REPOSITORY / "__init__.py").read_text(encoding="utf-8")  # would win over ours


def test_registrys_own_checks_find_nothing() -> None:
    ruff = shutil.which("ruff") or str(REPOSITORY / ".venv/bin/ruff")
    command = [ruff, "check", "--isolated", "--select", "S102,S307,E702", *map(str, packed_sources())]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "All checks passed!"


def packed_sources() -> list[Any]:
    return [REPOSITORY / name for name in packed_files() if name.endswith(".py")]


def test_package_has_what_runs_and_nothing_else() -> None:
    names = packed_files()
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "__init__.py", "nodes", "trainer", "web", "locales", "example_workflows", "subgraphs", "pyproject.toml",
        "requirements.txt", "README.md", "README.zh.md", "CHANGELOG.md", "LICENSE",
    }  # fmt: skip
    assert sum((REPOSITORY / name).stat().st_size for name in names) < 6_000_000


def test_nothing_in_the_package_reaches_for_what_stays_behind() -> None:
    """The pocket model, the tests and the benches are on a developer's machine only; `make demo` says so."""
    for path in packed_sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in {"pocket", "tests", "bench"}, path
