"""Models from files that spandrel reads: what a file is, and where it computes. Knows no task, keeps no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...messages import UserError
from ...training.model.weights import fingerprint

if TYPE_CHECKING:
    import torch

Place = Callable[["torch.nn.Module"], "torch.device"]
"""Puts a model where it computes and says where that is. Called before every use: a host may have moved it away."""


def on_device(device: torch.device | str) -> Place:
    """Always the same device."""

    def place(model: torch.nn.Module) -> torch.device:
        import torch

        model.to(device)
        return torch.device(device)

    return place


def weights_name(path: Path) -> str:
    """A name that changes whenever a weight file does. Raises UserError for a file that is gone."""
    try:
        return f"{path.name} {fingerprint([path])[:12]}"
    except OSError as error:
        raise UserError("photos.model_file_unreadable", path=path, problem=error) from error


def load_spandrel(path: Path) -> Any:
    """The model in a file, on the CPU, as spandrel describes it. No code in the file is run.

    Raises UserError where spandrel is missing, and for a file that is damaged or of a kind spandrel does not know.
    """
    try:
        import spandrel
    except ImportError as error:
        raise UserError("photos.spandrel_missing", name=path.name, problem=error) from error
    try:
        return spandrel.ModelLoader().load_from_file(path).eval()
    except spandrel.UnsupportedModelError as error:
        raise UserError("photos.model_file_unknown", path=path) from error
    except Exception as error:  # damaged files make torch, safetensors and spandrel raise almost anything
        raise UserError("photos.model_file_unreadable", path=path, problem=error) from error
