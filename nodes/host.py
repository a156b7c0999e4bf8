"""The host: ComfyUI's server, folders, memory and interrupts, touched here and nowhere else."""

from __future__ import annotations

import functools
import gc
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import comfy.cli_args
import comfy.model_management
import comfy.utils
import folder_paths
import PIL.Image
import torch
from aiohttp import web
from server import PromptServer

from ..trainer.files import remove_unfinished, safe_name, slug
from ..trainer.messages import Message, UserError, sentence
from .access import folders_named_in, listens_beyond_loopback, may_be_read

logger = logging.getLogger("zimage_lora")

EVENT = "zimage_lora.event"
"""The one broadcast event type; a listener tells runs apart by `run` and nodes by `node`."""

_TEXT_EVERY_S = 0.25
_PREVIEW_PX = 512
_Execute = TypeVar("_Execute", bound=Callable)


# Language


class HostError(ValueError):
    """A UserError on its way out of a node: its text is the sentence in the user's language."""


def language() -> str:
    """ComfyUI's language setting, or English where the user has chosen none."""
    try:
        path = Path(folder_paths.get_public_user_directory("default")) / "comfy.settings.json"
        return str(json.loads(path.read_text(encoding="utf-8")).get("Comfy.Locale", "en"))
    except (OSError, ValueError, TypeError):
        return "en"


def say(key: str, **values: object) -> str:
    """A sentence in the user's language."""
    return say_message(Message(key, values))


def say_message(message: Message) -> str:
    """A message in the user's language."""
    return sentence(message, language())


def in_users_language(execute: _Execute) -> _Execute:
    """Have a node's UserErrors leave it as sentences in the user's language; the traceback stays chained."""

    @functools.wraps(execute)
    def spoken(*args, **kwargs):
        try:
            return execute(*args, **kwargs)
        except UserError as error:
            raise HostError(say_message(error.message)) from error

    return spoken


# Folders


def output_dir() -> Path:
    """Where everything but LoRA files goes."""
    return Path(folder_paths.get_output_directory()) / "zimage_lora"


def run_dir(run_name: str) -> Path:
    """The folder of a run. Raises UserError for a name that is a path."""
    return output_dir() / safe_name(run_name)


def working_copies_dir(folder: Path) -> Path:
    """Where the working copies of a folder's photos go: readable, and another one for another folder of that name."""
    return output_dir() / "photos" / f"{safe_name(folder.name or 'photos')}-{slug(str(folder))[-8:]}"


def export_dir(name: str) -> Path:
    """Where a dataset is exported to; what a killed export left there is cleared away. Raises UserError for a path."""
    folder = output_dir() / "datasets" / safe_name(name)
    remove_unfinished(folder.parent)
    return folder


def photo_folder(text: str) -> Path:
    """The folder a user means: an absolute path, or a subfolder of ComfyUI's input folder.

    Raises UserError for one that may not be read because other computers reach this server (access.py).
    """
    input_dir, output = folder_paths.get_input_directory(), folder_paths.get_output_directory()
    text = text.replace("\0", "").strip().strip('"')
    if not text:
        raise UserError("host.no_folder", input=input_dir)
    folder = Path(os.path.expanduser(text))
    if not folder.is_absolute():
        folder = Path(input_dir) / folder
        if not folder_paths.is_within_directory(input_dir, str(folder)):
            raise UserError("host.folder_outside", folder=text, input=input_dir)
    if listens_beyond_loopback(comfy.cli_args.args.listen):
        # The public user folder would not do: whoever reaches the server can write files there.
        settings_path = Path(folder_paths.get_system_user_directory("zimage_lora")) / "folders.txt"
        if not may_be_read(folder, [Path(input_dir), Path(output), *folders_named_in(settings_path)]):
            raise UserError("host.folder_not_shared", folder=text, input=input_dir, output=output, file=settings_path)
    return folder


def memo_dir() -> Path:
    """Where findings about photos are kept, so that nothing is worked out twice."""
    return output_dir() / "memo"


def base_model_names() -> list[str]:
    """The files in diffusion_models, as ComfyUI lists them."""
    return folder_paths.get_filename_list("diffusion_models")


def base_model_path(name: str) -> Path:
    """The file of a name in diffusion_models."""
    return model_file("diffusion_models", name)


def lora_names() -> list[str]:
    """The LoRA files, as ComfyUI lists them."""
    return folder_paths.get_filename_list("loras")


def lora_path(name: str) -> Path:
    """The file of a name among the LoRAs."""
    return model_file("loras", name)


def lora_files() -> list[Path]:
    """All LoRA files."""
    return [lora_path(name) for name in lora_names()]


def loras_dir() -> Path:
    """Where trained LoRA files go, so that every loader lists them."""
    return Path(folder_paths.get_folder_paths("loras")[0])


def lora_name_of(path: Path) -> str:
    """The name under which ComfyUI's own loaders list a LoRA file of ours."""
    return os.path.relpath(path, loras_dir())


def model_file(kind: str, name: str) -> Path:
    """The file of a name in a model folder. Raises UserError for one that is gone."""
    path = folder_paths.get_full_path(kind, name)
    if path is None:
        raise UserError("host.file_gone", name=name, folder=", ".join(folder_paths.get_folder_paths(kind)))
    return Path(path)


# Memory


def device() -> torch.device:
    """Where ComfyUI computes."""
    return comfy.model_management.get_torch_device()


def claim_memory() -> None:
    """Unload ComfyUI's own models, so that a training has the device for itself."""
    comfy.model_management.unload_all_models()
    give_back_memory()


models_lock = threading.RLock()
"""Held by whoever uses a model from a thread: ComfyUI's memory management may move any model and knows no threads."""


def give_back_memory() -> None:
    """Hand memory that nobody holds any more back to the device."""
    gc.collect()
    comfy.model_management.soft_empty_cache()


# Interrupts


def cancelled() -> bool:
    """Whether the user has pressed Cancel. Only looks: the mark stays, so that the work can be saved first."""
    return comfy.model_management.processing_interrupted()


def stop_if_cancelled() -> None:
    """Leave the node if the user has pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def stop_now() -> None:
    """Leave the node as cancelled; what there was to save has been saved."""
    comfy.model_management.interrupt_current_processing(False)
    raise comfy.model_management.InterruptProcessingException


# Routes


def routes() -> web.RouteTableDef:
    """The server's table of routes, to add to while the nodes are being loaded."""
    return PromptServer.instance.routes


# What a node shows


class Progress:
    """A node's progress bar, its line of text, and our broadcast event."""

    def __init__(self, node_id: str, workflow_id: str | None = None) -> None:
        self.language = language()
        self.node_id, self.workflow_id = node_id, workflow_id
        self.prompt_id = PromptServer.instance.last_prompt_id
        self._bar: comfy.utils.ProgressBar | None = None
        self._done = self._total = 0.0
        self._next_text_s = 0.0

    def show(self, done: float, total: float, preview: tuple | None = None) -> None:
        """Move the bar. Never raises: a Cancel stays marked for whoever does the work."""
        if self._bar is None or total != self._total:  # another stage: a bar that ComfyUI shows from its start
            self._bar, self._total = comfy.utils.ProgressBar(total, node_id=self.node_id), total
        self._done = done
        try:
            self._bar.update_absolute(done, total, preview)
        except comfy.model_management.InterruptProcessingException:
            # The bar takes the mark away when it raises, and the trainer would never hear of the Cancel.
            comfy.model_management.interrupt_current_processing(True)

    def show_picture(self, path: Path) -> None:
        """Put a picture on the node; the bar stays where it is."""
        with PIL.Image.open(path) as image:
            self.show(self._done, self._total, ("JPEG", image.convert("RGB"), _PREVIEW_PX))

    def show_or_stop(self, done: float, total: float, preview: tuple | None = None) -> None:
        """Move the bar, or leave the node if the user has pressed Cancel."""
        stop_if_cancelled()
        self.show(done, total, preview)

    def show_photo_or_stop(self, done: int, total: int, doing: Message) -> None:
        """Move the bar and name the photo that is at work, or leave the node if the user has pressed Cancel."""
        self.show_or_stop(done, total)
        self.write(f"{done}/{total} · {sentence(doing, self.language)}", at_once=False)

    def write(self, text: str, *, at_once: bool = True) -> None:
        """Put a text on the node. Lines that only count on (`at_once=False`) are shown four times a second."""
        now_s = time.monotonic()
        if at_once or now_s >= self._next_text_s:
            self._next_text_s = now_s + _TEXT_EVERY_S
            server = PromptServer.instance
            server.send_progress_text(text, self.node_id, server.client_id)

    def broadcast(self, event: dict[str, object]) -> None:
        """Tell every browser; ComfyUI's own progress reaches only the one that queued."""
        PromptServer.instance.send_sync(EVENT, {"node": self.node_id, "workflow": self.workflow_id, **event})


def workflow_texts(hidden: Any) -> dict[str, str]:
    """What ComfyUI writes into pictures, so that one dropped on the canvas brings its graph back; nothing where its
    user has switched that off."""
    if comfy.cli_args.args.disable_metadata:
        return {}
    known = {"prompt": hidden.prompt, **(hidden.extra_pnginfo or {})}
    return {name: json.dumps(value) for name, value in known.items() if value is not None}


def show_picture(image: PIL.Image.Image, name: str) -> dict[str, str]:
    """Save a picture among the temporary files, and give what `ui={"images": [...]}` wants."""
    folder, file_name, counter, subfolder, _ = folder_paths.get_save_image_path(
        f"zimage_lora_{name}", folder_paths.get_temp_directory()
    )
    file_name = f"{file_name}_{counter:05}_.jpg"
    image.save(Path(folder) / file_name, quality=90)
    return {"filename": file_name, "subfolder": subfolder, "type": "temp"}


def show_output(path: Path) -> dict[str, str]:
    """What `ui={"images": [...]}` wants for a picture that already lies in the output folder."""
    subfolder = os.path.relpath(path.parent, folder_paths.get_output_directory())
    return {"filename": path.name, "subfolder": Path(subfolder).as_posix(), "type": "output"}
