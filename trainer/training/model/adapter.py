"""The training adapter: a LoRA that undoes Turbo's distillation while we train. Fused before training, never saved."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...messages import Message, UserError
from .base_kind import KIND_NAMES, Kind
from .weights import Header, read_header

if TYPE_CHECKING:
    from torch import nn

    from .zimage import BaseModel

V1_NAME = "zimage_turbo_training_adapter_v1.safetensors"
V2_NAME = "zimage_turbo_training_adapter_v2.safetensors"
ADAPTER_REPOSITORY = "ostris/zimage_turbo_training_adapter"
_ADDRESS = f"huggingface.co/{ADAPTER_REPOSITORY}"
_RANKS = {"v1": 32, "auto": 64}
"""The versions have the same keys and differ in rank: V1 has 32, V2 has 64."""
_KEY = re.compile(r"diffusion_model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


@dataclass(frozen=True, kw_only=True)
class AdapterChoice:
    """What a run trains on: the base model with its kind settled, its adapter, and what the user should know of it."""

    base: BaseModel
    path: Path | None
    notes: tuple[Message, ...] = ()


def choose_adapter(
    base: BaseModel,
    *,
    base_kind: str,
    choice: str,
    lora_files: Callable[[], Sequence[Path]],
    loras_dir: Path = Path("models/loras"),
) -> AdapterChoice:
    """Settle what kind of base it is and which adapter goes with it.

    `base_kind` is the user's word, `auto` to believe the model; a model that does not say is taken for Turbo. Only
    Turbo takes an adapter by itself. `lora_files` is asked only where one is looked for. Raises UserError for an
    adapter that is needed and not there; only the explicit choice `none` trains Turbo without.
    """
    kind: Kind = base.kind if base_kind == "auto" else base_kind  # type: ignore[assignment]
    by_name = base_kind == "auto" and base.kind_by_name
    settled = dataclasses.replace(base, kind=kind, kind_by_name=by_name)
    notes: list[Message] = []

    def note(key: str, **values: object) -> None:
        notes.append(Message(key, {"base": base.name, "kind": KIND_NAMES.get(kind, kind), **values}))

    if kind != base.kind and base.kind != "unknown" and not base.kind_by_name:
        note("adapter.kind_contradicted", found=KIND_NAMES[base.kind])
    if kind in ("deturbo", "base"):
        path = None if choice == "auto" else find_adapter(choice, _files_for(choice, lora_files), loras_dir)
        if choice == "auto":
            note("adapter.not_needed_by_name" if by_name else "adapter.not_needed")
        elif path:
            note("adapter.not_for_base", adapter=path.name)
        return AdapterChoice(base=settled, path=path, notes=tuple(notes))
    path = find_adapter(choice, _files_for(choice, lora_files), loras_dir)
    if kind == "turbo" and path is None:
        note("adapter.turbo_without")
    if kind == "unknown" and path:
        note("adapter.kind_unknown", adapter=path.name)
    return AdapterChoice(base=settled, path=path, notes=tuple(notes))


def _files_for(choice: str, lora_files: Callable[[], Sequence[Path]]) -> Sequence[Path]:
    return () if choice == "none" else lora_files()


def find_adapter(choice: str, lora_files: Sequence[Path], loras_dir: Path = Path("models/loras")) -> Path | None:
    """The adapter file that `training_adapter` means: `auto` looks for V2 among the LoRA files, `v1` for V1.

    `none` is None; anything else is a file. `loras_dir` is where the user is told to put a file that is missing.
    A version is known by its name, its keys and its rank: a character LoRA of that rank has the same keys. Raises
    UserError, naming the file, its address and the folder, where it is not there.
    """
    if choice == "none":
        return None
    if choice not in _RANKS:
        path = next((file for file in lora_files if choice in (file.name, file.as_posix(), str(file))), Path(choice))
        if not path.is_file():
            raise UserError("adapter.missing", name=choice, address=_ADDRESS, folder=loras_dir)
        _check(read_header(path), path)
        return path
    if found := _of_rank(_RANKS[choice], lora_files):
        return found
    if choice == "auto" and (v1 := _of_rank(_RANKS["v1"], lora_files)):
        raise UserError("adapter.only_v1", path=v1, name=V2_NAME, address=_ADDRESS, folder=loras_dir)
    name = V2_NAME if choice == "auto" else V1_NAME
    raise UserError("adapter.missing", name=name, address=_ADDRESS, folder=loras_dir)


def _of_rank(rank: int, lora_files: Sequence[Path]) -> Path | None:
    named = (path for path in lora_files if "training_adapter" in path.name.lower())
    return next((path for path in named if _rank(read_header(path)) == rank), None)


def _rank(header: Header) -> int | None:
    """The rank of the first lora_A that sits on a main layer, None where there is none."""
    for name, shape in header.shapes.items():
        match = _KEY.fullmatch(name)
        if match and match["side"] == "A" and match["module"].startswith("layers."):
            return shape[0]
    return None


def _check(header: Header, path: Path) -> None:
    if _rank(header) is None:
        raise UserError("adapter.not_zimage", path=path, found=next(iter(header.shapes), "no tensor"))


def fuse_adapter(transformer: nn.Module, path: Path) -> int:
    """Add the adapter to the weights once, at strength +1, each sum rounded once; returns how many modules it changed.

    W' = W + B·A in fp32, then W's own number format. An alpha in the file is not used, as in the reference.
    Raises UserError where a module of the adapter is not in the transformer or has another width.
    """
    import torch
    from safetensors.torch import load_file

    header = read_header(path)
    _check(header, path)
    tensors = load_file(path)
    modules = {match["module"] for match in map(_KEY.fullmatch, tensors) if match}
    ours = dict(transformer.named_modules())
    with torch.no_grad():
        for module in sorted(modules):
            down = tensors.get(f"diffusion_model.{module}.lora_A.weight")
            up = tensors.get(f"diffusion_model.{module}.lora_B.weight")
            weight = getattr(ours.get(module), "weight", None)
            if down is None or up is None or weight is None or weight.shape != (up.shape[0], down.shape[1]):
                raise UserError("adapter.other_width", path=path, module=module)
            delta = up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32)
            weight.copy_(weight.float() + delta)
    return len(modules)
