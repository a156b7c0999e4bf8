"""The lanes that are measured, by the names the table gives them, and the settings that choose each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

_ALL_BLOCKS = 1000  # more than any model has: the planner cuts it down


def lane_names(text: str) -> list[str]:
    """The lanes that a command line names, `all` or some with commas between."""
    names = list(LANES) if text == "all" else text.split(",")
    if unknown := set(names) - set(LANES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(LANES)}")
    return names


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between."""
    return [int(number) for number in text.split(",")]


def _manual(quantisation: str, *, recompute: int, offload: int = 0) -> dict[str, object]:
    return {
        "lane": "manual",
        "quantization_transformer": quantisation,
        "recompute_blocks": recompute,
        "offload_blocks": offload,
    }


LANES: Mapping[str, Mapping[str, object]] = {
    "auto": {"lane": "auto"},
    "bf16": _manual("none", recompute=0),
    "bf16-compiled": {**_manual("none", recompute=0), "compile": "on"},
    "bf16-half": _manual("none", recompute=15),
    "bf16-lean": _manual("none", recompute=_ALL_BLOCKS),
    "bf16-offload": _manual("none", recompute=_ALL_BLOCKS, offload=6),
    "float8": _manual("float8", recompute=0),
    "float8-lean": _manual("float8", recompute=_ALL_BLOCKS),
    "int8": _manual("int8", recompute=0),
    "int8-compiled": {**_manual("int8", recompute=0), "compile": "on"},
    "int8-lean": _manual("int8", recompute=_ALL_BLOCKS),
    "int8-offload": _manual("int8", recompute=_ALL_BLOCKS, offload=15),
    "nf4-lean": _manual("nf4", recompute=_ALL_BLOCKS),
    "nf4-offload": _manual("nf4", recompute=_ALL_BLOCKS, offload=_ALL_BLOCKS),
}
"""`lean` computes every block a second time, `half` 15 of 30; `offload` keeps some blocks in system memory:
6 in bf16, 15 in int8, all in nf4."""
