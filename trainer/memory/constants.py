"""Constants: what only a graphics card can tell the planner, and where each number comes from. No torch.

They lie in `constants.json` beside this file, which `python -m bench.constants` writes from a measured table. Whatever
a device can tell in a blink (free memory, the rates of products and copies) is asked of it anew before each run.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_text_whole
from ..messages import UserError

CONSTANTS_PATH = Path(__file__).with_name("constants.json")


@dataclass(frozen=True, kw_only=True)
class Constants:
    """The numbers. A step's duration is a sum in which the first six stand once each, so that the seconds of measured
    steps give them by least squares."""

    dense_factor: float
    """How many times as long as its matrix products alone, at the device's own rate, the part of a step lasts that
    grows with tokens: norms, rotations, gates and the LoRA's thin products are in it."""
    native_factor: float
    """The same where the device multiplies 8-bit numbers itself, still over the time of products in bf16."""
    native_bytes: float
    """Bytes of memory traffic for each number of a weight in each of its products in 8 bits, beside the product: in the
    backward pass the weight is turned round first."""
    unpacked_bytes: float
    """Bytes of memory traffic for each number of an 8-bit weight that is unpacked for each of its products."""
    nf4_bytes: float
    """The same for a number in 4 bits."""
    step_overhead_s: float
    """Seconds of a step that no size changes: launches, the update of the LoRA."""
    copy_share: float
    """How much of the rate of a copy alone, from pinned memory, the copies of offloaded blocks reach beside the
    computing: copied bytes by rate and seconds, where steps wait for copies."""
    idle_share: float
    """Share by which torch's pool on the card is larger than the tensors in it at their most: peak reserved by peak
    allocated, less one."""
    context_bytes: int
    """What the driver holds for a process that uses CUDA, beside torch's pool."""

    def __post_init__(self) -> None:
        """Raises ValueError, naming the constant, for what no card can give."""
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not is_number or not low <= value <= high:
                raise ValueError(f"{name}: {value!r} is not a number from {low:g} to {high:g}")
        if not isinstance(self.context_bytes, int):
            raise ValueError(f"context_bytes: {self.context_bytes!r} is not a whole number")


_LIMITS: Mapping[str, tuple[float, float]] = {
    "dense_factor": (0.5, 20),
    "native_factor": (0.1, 20),
    "native_bytes": (0, 1000),
    "unpacked_bytes": (0, 1000),
    "nf4_bytes": (0, 1000),
    "step_overhead_s": (0, 1),
    "copy_share": (0.05, 1.5),
    "idle_share": (0, 0.5),
    "context_bytes": (0, 4e9),
}
NAMES = tuple(field.name for field in dataclasses.fields(Constants))


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """Constants with their origin."""

    constants: Constants
    sources: tuple[Mapping[str, Any], ...] = ()
    """What was measured: each source tells which `constants` it gave, and card, driver, versions, commit, date, command
    and number of rows."""

    @property
    def counted(self) -> tuple[str, ...]:
        """Those that no source gave: they are counted or taken from what others publish."""
        measured = {name for source in self.sources for name in source["constants"]}
        return tuple(name for name in NAMES if name not in measured)


def read_constants(path: Path = CONSTANTS_PATH) -> Shipped:
    """The constants that are shipped, or those of another file. Raises UserError for a file that holds anything else
    than all of them, each in its range, and where they were measured."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        _check_names("the file", found, ("constants", "sources"))
        _check_names("constants", found["constants"], NAMES)
        for source in found["sources"]:
            if not set(source["constants"]) <= set(NAMES):
                raise ValueError(f"sources: unknown {', '.join(sorted(set(source['constants']) - set(NAMES)))}")
        return Shipped(constants=Constants(**found["constants"]), sources=tuple(found["sources"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError("memory.bad_constants", path=path, reason=error) from error


def write_constants(shipped: Shipped, path: Path = CONSTANTS_PATH) -> None:
    """Put a file in the place of the one that is there, whole."""
    found = {"constants": dataclasses.asdict(shipped.constants), "sources": list(shipped.sources)}
    write_text_whole(path, json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def _check_names(where: str, found: Any, wanted: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{where}: {found!r} is not an object")
    if unknown := sorted(set(found) - set(wanted)):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}")
    if missing := [name for name in wanted if name not in found]:
        raise ValueError(f"{where}: {', '.join(missing)} missing")
