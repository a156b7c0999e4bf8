"""Train states: what resuming needs, written so that a crash at any moment leaves the older ones whole."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import file_hash, remove_unfinished, write_folder_whole
from ...messages import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ..update.optimizers import OptimizerState

STATES_TO_KEEP = 2
_MANIFEST = "manifest.json"
_LORA, _OPTIMIZER, _EMA = "lora.safetensors", "optimizer.safetensors", "ema.safetensors"


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """The fp32 LoRA, the optimizer's state and the EMA's average after a step; without EMA its average is empty."""

    step: int
    lora: Mapping[str, Tensor]
    optimizer: OptimizerState
    ema: Mapping[str, Tensor] = field(default_factory=dict)


def save_state(states_dir: Path, state: TrainState) -> None:
    """Write `step-<n>/`: tensors, then a manifest with their hashes, then the folder's name. Keeps the newest two.

    Raises UserError for a full disk, and for numbers that are not finite: nobody could go on from such a state.
    """
    from safetensors.torch import save_file

    def write(folder: Path) -> None:
        tensors, numbers = state.optimizer
        parts = {_LORA: _on_cpu(state.lora), _OPTIMIZER: tensors}
        if state.ema:
            parts[_EMA] = _on_cpu(state.ema)
        for name, part in parts.items():
            _check_finite(part, state.step)
            save_file(part, folder / name)
        hashes = {name: file_hash(folder / name) for name in parts}
        manifest = {"step": state.step, "hashes": hashes, "optimizer_numbers": numbers}
        sealed = {"manifest": manifest, "seal": _seal(manifest)}
        (folder / _MANIFEST).write_text(json.dumps(sealed), encoding="utf-8")

    write_folder_whole(states_dir / f"step-{state.step}", write)
    # A run goes on from its newest valid state, so states of later steps can only be damaged ones.
    kept = [step for step in state_steps(states_dir) if step <= state.step][:STATES_TO_KEEP]
    for step in state_steps(states_dir):
        if step not in kept:
            shutil.rmtree(states_dir / f"step-{step}", ignore_errors=True)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _check_finite(tensors: Mapping[str, Tensor], step: int) -> None:
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise UserError("train.state_not_finite", name=bad.partition("|")[0], step=step)


def _seal(manifest: object) -> str:
    """A hash over the manifest itself, so that no byte of a state can change unseen."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def state_steps(states_dir: Path) -> list[int]:
    """The steps that have a state folder, newest first; nothing is said about whether they are valid."""
    names = [re.fullmatch(r"step-(\d+)", path.name) for path in states_dir.glob("step-*")]
    return sorted((int(name[1]) for name in names if name), reverse=True)


def find_state(states_dir: Path) -> tuple[TrainState | None, list[int]]:
    """The newest whole state, if there is one, and the steps of the damaged ones that were newer.

    Newest means of the highest step: clocks and dates mean nothing.
    """
    remove_unfinished(states_dir)
    damaged: list[int] = []
    for step in state_steps(states_dir):
        if state := _read(states_dir / f"step-{step}"):
            return state, damaged
        damaged.append(step)
    return None, damaged


def _read(folder: Path) -> TrainState | None:
    from safetensors.torch import load

    try:
        sealed = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        manifest = sealed["manifest"]
        if sealed["seal"] != _seal(manifest) or folder.name != f"step-{manifest['step']}":
            return None
        if any(file_hash(folder / name) != digest for name, digest in manifest["hashes"].items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Read into memory rather than mapped, so that Windows can delete the folder while the run goes on.
    return TrainState(
        step=manifest["step"],
        lora=load((folder / _LORA).read_bytes()),
        optimizer=(load((folder / _OPTIMIZER).read_bytes()), manifest["optimizer_numbers"]),
        ema=load((folder / _EMA).read_bytes()) if _EMA in manifest["hashes"] else {},
    )
