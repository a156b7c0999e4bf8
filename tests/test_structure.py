"""The tree keeps its rules, and each rule is seen to fail on a small example that breaks it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import structure_rules as rules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Rule = Callable[[rules.Files], list[str]]

REPOSITORY = Path(__file__).parents[1]
SOURCES = (
    "__init__.py", "trainer/**/*.py", "nodes/**/*.py", "pocket/**/*.py", "bench/**/*.py", "tests/**/*.py",
    "tests/**/*.mjs", "web/**/*.js",
)  # fmt: skip
NODE_IDS = {
    "LoadPhotoFolder", "CleanAndResize", "AutoCaption", "DatasetReport", "ExportDataset", "TrainZImageLoRA",
    "CheckpointSweep", "ApplyLoRA", "ConvertLoRA", "PublishLoRA",
}  # fmt: skip

OF_ONE_MACHINE = re.compile(
    r"(?<![\w.~])/(?:root|work|opt)/[\w.]|/home/(?!(?:me|you)\b)\w|[/\\]Users[/\\](?!you\b)\w"
    r"|\b(?:pypi|npmjs)[.]org|pythonhosted[.]org|download[.]pytorch[.]org"
)
"""Paths of somebody's own machine, and hosts of package registries."""

LARGE_FOR_A_REASON: dict[str, str] = {}
"""Files (`path`) and functions (`path:name`) over the limits, each with the reason why it is one job."""

BROKEN = [
    (rules.trainer_knows_no_host, {"trainer/a.py": "import comfy.utils"}),
    (rules.trainer_knows_no_host, {"trainer/a.py": "def f():\n    from folder_paths import get_input_directory"}),
    (rules.trainer_knows_no_host, {"trainer/a.py": "from trainer.files import safe_name"}),
    (rules.trainer_knows_no_host, {"trainer/photos/a.py": "from ...nodes import host"}),
    (rules.nodes_are_thin, {"nodes/a.py": "from trainer.files import safe_name"}),
    (rules.nodes_are_thin, {"nodes/a.py": "from ..pocket import figures"}),
    (rules.nodes_are_thin, {"nodes/a.py": "from comfy import model_management"}),
    (rules.nodes_are_thin, {"nodes/a.py": "def f():\n    import server"}),
    (rules.entry_imports_nothing, {"__init__.py": "from .nodes import host"}),
    (rules.entry_imports_nothing, {"__init__.py": "import torch"}),
    (rules.entry_imports_nothing, {"__init__.py": "def f():\n    from .trainer import files"}),
    (rules.heavy_imports_wait, {"trainer/a.py": "import diffusers"}),
    (rules.heavy_imports_wait, {"nodes/a.py": "try:\n    from peft import X\nexcept ImportError:\n    pass"}),
    (rules.no_import_rings, {"trainer/a.py": "from .b import x", "trainer/b.py": "def f():\n    from . import a"}),
    (
        rules.no_import_rings,
        {
            "trainer/a.py": "from .b import x",
            "trainer/b.py": "from .c import x",
            "trainer/c.py": "from .a import x",
        },
    ),
    (rules.no_import_rings, {"trainer/a/__init__.py": "from ..b import x", "trainer/b.py": "from .a import x"}),
    (rules.nothing_unsafe, {"trainer/a.py": "eval('1')"}),
    (rules.nothing_unsafe, {"nodes/a.py": "def f():\n    import pickle"}),
    (rules.nothing_unsafe, {"trainer/a.py": "from torch import load\nload('x')"}),
    (rules.nothing_unsafe, {"trainer/a.py": "import torch as t\nt.load('x', weights_only=True)"}),
    (rules.nothing_unsafe, {"trainer/a.py": "import subprocess"}),
    (rules.nothing_unsafe, {"trainer/a.py": "import os\nos.system('x')"}),
    (rules.nothing_unsafe, {"trainer/a.py": "import yaml\nyaml.load('x', Loader=yaml.Loader)"}),
    (rules.no_global_rng, {"trainer/a.py": "import torch\ntorch.manual_seed(1)"}),
    (rules.no_global_rng, {"trainer/a.py": "import torch\ntorch.randn(3)"}),
    (rules.no_global_rng, {"trainer/a.py": "from torch import randperm\nrandperm(3, generator=None)"}),
    (rules.no_global_rng, {"trainer/a.py": "import torch\ntorch.empty(3).uniform_(0, 1)"}),
    (rules.no_global_rng, {"trainer/a.py": "from torch.nn import init\ninit.kaiming_uniform_(w)"}),
    (rules.no_global_rng, {"trainer/a.py": "import numpy as np\nnp.random.rand(3)"}),
    (rules.no_global_rng, {"trainer/a.py": "import numpy as np\nnp.random.default_rng()"}),
    (rules.no_global_rng, {"trainer/a.py": "import random\nrandom.shuffle(x)"}),
    (rules.no_global_rng, {"nodes/a.py": "from random import choice\nchoice(x)"}),
    (rules.no_module_state, {"trainer/a.py": "cache = {}"}),
    (rules.no_module_state, {"trainer/a.py": "seen: list[int] = []"}),
    (rules.no_module_state, {"trainer/a.py": "from collections import defaultdict\nruns = defaultdict(list)"}),
    (rules.no_module_state, {"trainer/a.py": "def f():\n    global x\n    x = 1"}),
    (rules.node_ids_are_literal, {"nodes/a.py": "io.Schema(node_id=NAME)"}),
    (rules.node_ids_are_literal, {"nodes/a.py": "io.Schema(display_name='A')"}),
    (rules.node_ids_are_literal, {"nodes/a.py": "io.Schema(node_id='A')", "nodes/b.py": "io.Schema(node_id='A')"}),
    (rules.files_say_their_job, {"trainer/a.py": "x = 1"}),
    (rules.files_say_their_job, {"web/a.js": "export const x = 1;"}),
    (rules.sizes_stay_small, {"trainer/a.py": "x = 1\n" * 301}),
    (rules.sizes_stay_small, {"nodes/a.py": "def f():\n" + "    x = 1\n" * 60}),
    (rules.sizes_stay_small, {"web/a.js": "//\n" * 301}),
]

ALLOWED = [
    (rules.trainer_knows_no_host, {"trainer/photos/a.py": "import json\nfrom . import b\nfrom ..files import slug"}),
    (rules.nodes_are_thin, {"nodes/a.py": "import comfy_api.latest\nfrom ..trainer import files\nfrom . import host"}),
    (rules.nodes_are_thin, {"nodes/host.py": "import comfy.model_management\nimport server"}),
    (rules.entry_imports_nothing, {"__init__.py": "import logging\nasync def f():\n    from .nodes import X"}),
    (rules.heavy_imports_wait, {"trainer/a.py": "import torch\ndef f():\n    import peft"}),
    (rules.heavy_imports_wait, {"trainer/a.py": "import typing\nif typing.TYPE_CHECKING:\n    import peft"}),
    (rules.no_import_rings, {
        "trainer/__init__.py": "",
        "trainer/a.py": "from . import b",
        "trainer/b.py": "import json",
    }),
    (rules.nothing_unsafe, {"trainer/a.py": "import re, yaml\nre.compile(x)\nyaml.load(x, yaml.BaseLoader)\nm.eval()"}),
    (rules.no_global_rng, {"trainer/a.py": "import torch\ntorch.randn(3, generator=g)\nx.normal_(generator=g)"}),
    (rules.no_global_rng, {"trainer/a.py": "import random, numpy\nr = random.Random(1)\nnumpy.random.default_rng(1)"}),
    (rules.no_module_state, {"trainer/a.py": "__all__ = ['f']\n_NAMES = {'a'}\nnames = ('a',)\ndef f():\n    x = []"}),
    (rules.node_ids_are_literal, {"nodes/a.py": "io.Schema(node_id='A')\nio.Schema(node_id='B')"}),
    (rules.files_say_their_job, {"trainer/a.py": '"""Job."""', "web/a.js": "// Job.\n"}),
    (rules.sizes_stay_small, {"trainer/a.py": "x = 1\n" * 300}),
]  # fmt: skip

RULES = list(dict.fromkeys(rule for rule, _ in BROKEN))


def sources() -> dict[str, str]:
    """The text of every file that the rules judge."""
    paths = sorted(path for pattern in SOURCES for path in REPOSITORY.glob(pattern))
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def git_files(*options: str) -> list[str]:
    """What `git ls-files` answers, files that are about to be added included, files that were deleted left out."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: which files belong to it cannot be told")
    command = ["git", "-c", "core.quotepath=off", "ls-files", "-z", "--cached", "--others", *options]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode("utf-8")
    return [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(requirement: str) -> str:
    """`diffusers` for `diffusers>=0.37.0`."""
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()


def test_the_rules_see_the_files_that_matter() -> None:
    assert {"__init__.py", "trainer/files.py", "nodes/host.py", "tests/conftest.py"} <= set(sources())


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule is not rules.sizes_stay_small])
def test_tree_keeps_rule(rule: Rule) -> None:
    assert rule(sources()) == []


def test_files_and_functions_stay_small_and_no_exception_outlives_its_reason() -> None:
    large = {complaint.rpartition(": ")[0] for complaint in rules.sizes_stay_small(sources())}
    assert large == set(LARGE_FOR_A_REASON)


@pytest.mark.parametrize(("rule", "files"), BROKEN)
def test_rule_fails_on_what_breaks_it(rule: Rule, files: rules.Files) -> None:
    assert len(rule(files)) == 1


@pytest.mark.parametrize(("rule", "files"), ALLOWED)
def test_rule_lets_pass_what_is_right(rule: Rule, files: rules.Files) -> None:
    assert rule(files) == []


def test_all_nodes_are_there_under_their_permanent_ids() -> None:
    nodes = dict(rules.python(sources(), "nodes"))
    assert {node_id for text in nodes.values() for node_id in rules.node_ids(text)} == NODE_IDS


def test_modules_that_promise_to_be_cheap_load_no_torch() -> None:
    cheap = "trainer, trainer.settings, trainer.training.config, trainer.training.keeping.runs"
    cheap += ", trainer.training.model.adapter"
    program = f"import sys, {cheap}; print(*sorted({{'torch', *{sorted(rules.HEAVY)}}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=True)
    assert loaded.stdout.split() == []


def test_requirements_file_repeats_the_dependencies_and_names_nothing_that_comfyui_owns() -> None:
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == project()["project"]["dependencies"]
    assert not {name_of(line) for line in lines} & {"torch", "torchvision", "torchaudio", "numpy", "transformers"}


def test_no_folder_with_tests_is_a_package() -> None:
    folders = {folder for path in (REPOSITORY / "tests").rglob("test_*.py") for folder in path.parents}
    assert [folder for folder in folders if folder != REPOSITORY and (folder / "__init__.py").exists()] == []


def test_large_files_are_pocket_weights_only() -> None:
    sizes = {path: (REPOSITORY / path).stat().st_size for path in git_files("--exclude-standard")}
    assert [path for path, size in sizes.items() if size > 2_000_000 and not path.startswith("pocket/model/")] == []


@pytest.mark.parametrize("text", ["/ro" + "ot/x", "C:\\Use" + "rs\\ann\\x", "see py" + "pi.org", "/ho" + "me/ann/x"])
def test_search_for_developers_machines_finds_them(text: str) -> None:
    assert OF_ONE_MACHINE.search(text)


def test_no_file_names_a_developers_machine_or_a_package_registry() -> None:
    found = []
    for path in git_files("--exclude-standard"):
        content = (REPOSITORY / path).read_bytes()
        if b"\0" in content[:8000]:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            found += [f"{path}:{number}: {match[0]}" for match in OF_ONE_MACHINE.finditer(line)]
    assert found == []


def test_both_readmes_have_the_same_sections_pictures_and_commands() -> None:
    english, chinese = ((REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    for what in (r"(?m)^#+ ", r"(?m)^\|", r"`[^`\n]*\.safetensors`", r"(?<=\]\()https?://[^)]+"):
        assert len(re.findall(what, english)) == len(re.findall(what, chinese)), what
    # Comments inside a block are translated, commands are not.
    blocks = [re.findall(r"(?ms)^```\w*\n(.*?)^```", text) for text in (english, chinese)]
    commands = [[re.sub(r"\s*#.*", "", block) for block in found] for found in blocks]
    assert commands[0] == commands[1]
