"""CleanAndResize: the node that makes working copies of photos."""

import dataclasses

from comfy_api.latest import io

from ..trainer.photos.cleaning.config import CleanConfig
from . import host, host_models, sockets
from .widgets import widgets_of

_ADDED = {field.name for field in dataclasses.fields(CleanConfig)} - {"longest_side_px"}
"""Graphs written for the HTTP API before there were these stay valid."""


class CleanAndResize(io.ComfyNode):
    """Working copies of the photos, upright and of one size; the originals are never written."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CleanAndResize",
            display_name="Clean and Resize Photos",
            category="Z-Image LoRA",
            description="Cleans photos into working copies: duplicates, bars, marks, other people and wide margins go; "
            "upright, sRGB, no larger than wanted. The originals are never written.",
            search_aliases=["resize photos", "prepare dataset", "clean dataset"],
            is_output_node=True,
            inputs=[
                sockets.Photos.Input("photos", tooltip="From Load Photo Folder."),
                *widgets_of(CleanConfig, optional=_ADDED),
                sockets.FaceDetectionModel.Input(
                    "face_detection_model",
                    optional=True,
                    tooltip="Finds faces, how they are turned, and expressions. From Load Face Detection Model "
                    "(MediaPipe). Without it facenet-pytorch is used where it is installed.",
                ),
                io.BackgroundRemoval.Input(
                    "bg_removal_model", optional=True, lazy=True, tooltip="Tells the person from the background."
                ),
                io.UpscaleModel.Input(
                    "upscale_model", optional=True, lazy=True, tooltip="An upscaler such as ESRGAN, for soft faces."
                ),
                io.Model.Input("segment_model", optional=True, lazy=True, tooltip="SAM3: outlines other persons."),
                io.Conditioning.Input(
                    "segment_prompt", optional=True, lazy=True, tooltip="The text person, encoded by SAM3's own CLIP."
                ),
                io.Combo.Input(
                    "inpaint_model",
                    options=["none", *host_models.model_names("inpaint")],
                    default="none",
                    optional=True,
                    tooltip="A LaMa file in models/inpaint: paints what stood behind marks and other persons.",
                ),
                io.Combo.Input(
                    "face_restorer",
                    options=["none", *host_models.model_names("facerestore_models", "upscale_models")],
                    default="none",
                    optional=True,
                    tooltip="A GFPGAN or RestoreFormer file, or an upscaler; goes before upscale_model.",
                ),
                io.String.Input(
                    "edits",
                    default="",
                    optional=True,
                    advanced=True,
                    socketless=True,
                    dynamic_prompts=False,
                    tooltip="What you have said by hand about photos: which to use, the right face, the crop, marks "
                    "to remove, labels. The viewer on the node writes it.",
                ),
            ],
            outputs=[
                sockets.Photos.Output(id="photos", display_name="photos", tooltip="The working copies."),
                io.String.Output(id="report", display_name="report", tooltip="What was found and done, as text."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def check_lazy_status(cls, photos, edits="", **inputs) -> list[str]:
        """Models are loaded only for steps that are switched on."""
        from .cleaning import needed_models

        return needed_models(inputs)

    @classmethod
    @host.in_users_language
    def execute(cls, photos, edits="", **inputs) -> io.NodeOutput:
        from .cleaning import clean

        cleaned, report, ui, problem = clean(photos, edits, inputs, host.Progress(cls.hidden.unique_id))
        return io.NodeOutput(cleaned, report, ui=ui, block_execution=problem)
