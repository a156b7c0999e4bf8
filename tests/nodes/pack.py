"""The pack's modules that need no ComfyUI, imported the way ComfyUI imports them: as parts of one package.

The package's own `__init__` and that of nodes/ are left out, because the latter asks for ComfyUI.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
_NAME = "zimage_lora_pack"


def module(name: str) -> ModuleType:
    """A module by its dotted name inside the pack, e.g. `nodes.live`."""
    for package, folder in ((_NAME, ROOT), (f"{_NAME}.nodes", ROOT / "nodes")):
        if package not in sys.modules:
            sys.modules[package] = ModuleType(package)
            sys.modules[package].__path__ = [str(folder)]
    return importlib.import_module(f"{_NAME}.{name}")
