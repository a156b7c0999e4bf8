"""HostPhotoTools: ComfyUI's models, from sockets and files, as the tools that clean photos. Cleans nothing itself.

Every model is loaded when the first photo needs it and used under host.models_lock, since photos are cleaned by several
threads. Threads do not inherit torch's inference mode, so that each tool sets it.

Legend: N pictures or persons, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import torch

from ..trainer.messages import UserError
from ..trainer.photos.cleaning.config import OFF, CleanConfig
from ..trainer.photos.cleaning.inpaint import installed_inpainter, lama_inpainter
from ..trainer.photos.cleaning.rapid_text import installed_text_finder
from ..trainer.photos.cleaning.restorers import FACE_PX, FileRestorer, restore_by
from ..trainer.photos.cleaning.tools import CleanTools, FaceRestorer, Inpainter
from . import host, host_models
from .core_identity import network_identity
from .host_faces import face_detector
from .pictures import to_tensor

NO_FILE = "none"
RESTORER_FOLDERS = ("facerestore_models", "upscale_models")
"""The first is where other node packs keep GFPGAN and its like."""
INPAINT_FOLDERS = ("inpaint",)
_SAM3_PX = 1008
_SURE = 0.5
_MANY = 64
"""SAM3's conditioning asks for one person unless the prompt says `person:5`; all are wanted here."""


def needed_sockets(config: CleanConfig, connected: Mapping[str, object]) -> list[str]:
    """Which connected models these settings can use: ComfyUI then loads no other."""
    needed = {"face_detection_model"}
    if config.background != "keep":
        needed.add("bg_removal_model")
    if config.other_people != OFF:
        needed |= {"segment_model", "segment_prompt"}
    if config.enhance_faces != OFF and connected.get("face_restorer", NO_FILE) == NO_FILE:
        needed.add("upscale_model")
    return sorted(needed & connected.keys())


def clean_tools(
    config: CleanConfig,
    *,
    face_detection_model: Any = None,
    bg_removal_model: Any = None,
    upscale_model: Any = None,
    segment_model: Any = None,
    segment_prompt: Any = None,
    inpaint_model: str = NO_FILE,
    face_restorer: str = NO_FILE,
) -> CleanTools:
    """The tools that a graph has connected and chosen, without those that the settings leave no work for.

    Their names stand in the keys of working copies, so that a tool without work must not be among them. Raises
    UserError for a socket that holds another kind of model, and for a file that is gone.
    """
    return CleanTools(
        face_detector=face_detector(face_detection_model),
        text_finder=installed_text_finder() if config.text_marks != OFF else None,
        inpainter=_inpainter(inpaint_model),
        person_segmenter=_segmenter(segment_model, segment_prompt) if config.other_people != OFF else None,
        background_remover=SocketRemover(bg_removal_model)
        if bg_removal_model and config.background != "keep"
        else None,
        face_restorer=_restorer(face_restorer, upscale_model) if config.enhance_faces != OFF else None,
    )


class ManagedPlace:
    """Where a model from a file computes: ComfyUI decides, and may move it away when it is not in use."""

    _patcher: Any = None

    def __call__(self, model: torch.nn.Module) -> torch.device:
        """Loads the model; the caller holds host.models_lock. One place serves one model."""
        if self._patcher is None:
            self._patcher = host_models.managed(model)
        return host_models.load_on_device(self._patcher)


class LockedRestorer:
    """A FaceRestorer that computes alone."""

    def __init__(self, restorer: FaceRestorer) -> None:
        self.name = restorer.name
        self._restorer = restorer

    def restore(self, face: PIL.Image.Image, detail_px: int) -> PIL.Image.Image:
        """See FaceRestorer."""
        with host.models_lock:
            return self._restorer.restore(face, detail_px)


class LockedInpainter:
    """An Inpainter that computes alone."""

    def __init__(self, inpainter: Inpainter) -> None:
        self.name, self.fills_large_areas = inpainter.name, inpainter.fills_large_areas
        self._inpainter = inpainter

    def fill(self, image: PIL.Image.Image, mask: PIL.Image.Image) -> PIL.Image.Image:
        """See Inpainter."""
        with host.models_lock:
            return self._inpainter.fill(image, mask)


class SocketUpscaler:
    """A FaceRestorer from the UPSCALE_MODEL socket: spandrel's descriptor, with the patcher that core's loader adds."""

    def __init__(self, upscale_model: Any) -> None:
        self._model = upscale_model
        self.name = f"upscale_model {network_identity(upscale_model.patcher, upscale_model.scale)[:12]}"

    def restore(self, face: PIL.Image.Image, detail_px: int) -> PIL.Image.Image:
        """See FaceRestorer."""
        with host.models_lock, torch.inference_mode():
            # Core's own estimate per pixel of what it enlarges; a face is small enough to need no tiles.
            room = (FACE_PX / 2) ** 2 * 3 * 4 * max(self._model.scale, 1.0) * 384
            return restore_by(self._model, face, detail_px, host_models.load_on_device(self._model.patcher, room))


class SocketRemover:
    """A BackgroundRemover from core's BACKGROUND_REMOVAL socket."""

    def __init__(self, bg_removal_model: Any) -> None:
        self._model = bg_removal_model
        self.name = f"bg_removal_model {network_identity(bg_removal_model.patcher, bg_removal_model.image_size)[:12]}"

    def foreground(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """See BackgroundRemover."""
        with host.models_lock, torch.inference_mode():
            matte_NHW = self._model.encode_image(to_tensor(image))
        return _grey(matte_NHW[0])


class Sam3Segmenter:
    """A PersonSegmenter from SAM3's MODEL and the CONDITIONING that its own CLIP makes of `person`."""

    def __init__(self, model: Any, conditioning: Any) -> None:
        self._model, self._conditioning = model, conditioning
        self.name = f"segment_model {network_identity(model, self._prompts())[:12]}"

    def masks(self, image: PIL.Image.Image) -> tuple[PIL.Image.Image, ...]:
        """See PersonSegmenter."""
        import comfy.utils

        whole_NCHW = to_tensor(image).movedim(-1, 1)
        square_NCHW = comfy.utils.common_upscale(whole_NCHW, _SAM3_PX, _SAM3_PX, "bilinear", crop="disabled")
        found: list[PIL.Image.Image] = []
        with host.models_lock, torch.inference_mode():
            device = host_models.load_on_device(self._model)
            square_NCHW = square_NCHW.to(device, self._model.model.get_dtype())
            for embedding, mask in self._prompts():
                found += self._found(square_NCHW, embedding.to(square_NCHW), mask.to(device), image)
        return tuple(found)

    def _found(
        self, square_NCHW: torch.Tensor, embedding: torch.Tensor, mask: torch.Tensor, image: PIL.Image.Image
    ) -> list[PIL.Image.Image]:
        """What core's SAM3_Detect node does with a text prompt, each person apart and without its second pass.

        Masks stay small until persons are told from SAM3's 200 proposals: all of them at full size take gigabytes.
        """
        detect = self._model.model.diffusion_model
        made = detect(square_NCHW, text_embeddings=embedding, text_mask=mask, boxes=None, threshold=_SURE)
        scores_N = made["scores"][0].sigmoid()
        persons = [index for index in scores_N.argsort(descending=True)[:_MANY] if scores_N[index] > _SURE]
        size = (image.height, image.width)
        masks_NHW = [
            torch.nn.functional.interpolate(made["masks"][:, index : index + 1].float(), size, mode="bilinear")[0, 0]
            for index in persons
        ]
        return [_grey((mask_HW > 0).float()) for mask_HW in masks_NHW]

    def _prompts(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Every prompt's features [1, N, D] and which of them count [1, N]; `person, child` is two prompts."""
        features, options = self._conditioning[0]
        prompts = options.get("sam3_multi_cond") or [{"cond": features, **options}]
        masked = [(prompt["cond"], prompt.get("attention_mask")) for prompt in prompts]
        return [
            (cond, torch.ones(cond.shape[:2], dtype=torch.int64) if mask is None else mask) for cond, mask in masked
        ]


def _segmenter(model: Any, conditioning: Any) -> Sam3Segmenter | None:
    if model is None:
        return None
    network = model.model.diffusion_model
    if not hasattr(network, "forward_segment"):
        raise UserError("host.not_sam3", kind=type(network).__name__)
    if conditioning is None:
        raise UserError("host.no_segment_prompt")
    wanted = network.detector.backbone["language_backbone"]["resizer"].weight.shape[1]
    if conditioning[0][0].shape[-1] != wanted:
        raise UserError("host.wrong_segment_prompt", width=conditioning[0][0].shape[-1], wanted=wanted)
    return Sam3Segmenter(model, conditioning)


def _restorer(file_name: str, upscale_model: Any) -> FaceRestorer | None:
    """A face restorer knows faces, an upscaler only textures: a file goes before the socket."""
    if file_name != NO_FILE:
        return LockedRestorer(FileRestorer(host_models.model_path(file_name, *RESTORER_FOLDERS), ManagedPlace()))
    return SocketUpscaler(upscale_model) if upscale_model is not None else None


def _inpainter(file_name: str) -> Inpainter | None:
    if file_name != NO_FILE:
        return LockedInpainter(lama_inpainter(host_models.model_path(file_name, *INPAINT_FOLDERS), ManagedPlace()))
    return installed_inpainter()


def _grey(mask_HW: torch.Tensor) -> PIL.Image.Image:
    levels_HW = mask_HW.float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return PIL.Image.fromarray(np.ascontiguousarray(levels_HW.numpy()))
