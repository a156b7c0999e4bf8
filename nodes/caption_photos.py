"""AutoCaption: the node that gives every photo its caption."""

import dataclasses

from comfy_api.latest import io

from ..trainer.captions.config import CaptionConfig
from . import host, sockets
from .widgets import widgets_of

_ADDED = {field.name for field in dataclasses.fields(CaptionConfig)} - {"subject", "template"}
"""Graphs written for the HTTP API before there were these stay valid."""


class AutoCaption(io.ComfyNode):
    """A caption for every photo: what the user wrote, else a vision model's, else the template's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AutoCaption",
            display_name="Auto Caption",
            category="Z-Image LoRA",
            description="Gives every photo a caption: what you wrote on the node or in a text file, else the template "
            "with what is unusual in the photo. Keep captions simple; the model learns constant features by itself.",
            search_aliases=["caption photos", "tag photos", "lora captions"],
            is_output_node=True,
            inputs=[
                sockets.Photos.Input("photos", tooltip="From Clean and Resize Photos, or from Load Photo Folder."),
                *widgets_of(CaptionConfig, optional=_ADDED),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    lazy=True,
                    tooltip="A vision language model that looks at the photos: Qwen3-VL, Qwen3.5 or Gemma from "
                    "ComfyUI's Load CLIP. Z-Image's own text encoder cannot see.",
                ),
                io.String.Input(
                    "edits",
                    default="",
                    optional=True,
                    advanced=True,
                    socketless=True,
                    dynamic_prompts=False,
                    tooltip="What you have said by hand about captions: the whole caption, what is unusual, whether "
                    "there is a face. The editor on the node writes it.",
                ),
            ],
            outputs=[
                sockets.Dataset.Output(id="dataset", display_name="dataset", tooltip="The photos with their captions.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs) -> str:
        """Changes when the user writes something beside a working copy: ComfyUI then runs the node again."""
        from ..trainer.captions.sources.written import users_fingerprint

        return users_fingerprint(host.output_dir() / "photos")

    @classmethod
    @host.in_users_language
    def check_lazy_status(cls, photos, edits="", **inputs) -> list[str]:
        """The vision model is loaded only if it is connected and has a say in some caption."""
        from .captioning import needed_models

        return needed_models(photos, edits, inputs)

    @classmethod
    @host.in_users_language
    def execute(cls, photos, edits="", clip=None, **widgets) -> io.NodeOutput:
        from .captioning import caption

        dataset, ui = caption(photos, edits, clip, widgets, host.Progress(cls.hidden.unique_id))
        return io.NodeOutput(dataset, ui=ui)
