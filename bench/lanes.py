"""The lanes that are measured, by the names the table gives them, and the settings that choose each."""

from __future__ import annotations

from collections.abc import Mapping

_ALL_BLOCKS = 1000  # more than any model has: the planner cuts it down


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
    "bf16-half": _manual("none", recompute=15),
    "bf16-lean": _manual("none", recompute=_ALL_BLOCKS),
    "float8": _manual("float8", recompute=0),
    "float8-lean": _manual("float8", recompute=_ALL_BLOCKS),
    "int8": _manual("int8", recompute=0),
    "int8-lean": _manual("int8", recompute=_ALL_BLOCKS),
    "int8-offload": _manual("int8", recompute=_ALL_BLOCKS, offload=15),
    "nf4-lean": _manual("nf4", recompute=_ALL_BLOCKS),
    "nf4-offload": _manual("nf4", recompute=_ALL_BLOCKS, offload=_ALL_BLOCKS),
}
"""`lean` computes every block a second time, `half` 15 of 30; `offload` keeps 15 blocks, or all, in system memory."""
