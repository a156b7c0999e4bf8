"""PublishLoRA: the node that exports a LoRA with pictures, metadata and a card, ready for a model hub."""

from __future__ import annotations

from comfy_api.latest import io

from ..trainer.publish.config import PublishConfig
from . import host, sockets
from .apply_lora import NONE, lora_file
from .pictures import to_picture
from .widgets import config_of, widgets_of


class PublishLoRA(io.ComfyNode):
    """A folder that can be uploaded as it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PublishLoRA",
            display_name="Publish LoRA",
            category="Z-Image LoRA",
            description="Exports a LoRA into a folder that can be uploaded to a model hub as it is: the file with "
            "complete metadata, the pictures, and a README.md with settings, dataset figures, scores and how to use "
            "it. Names no folder of your computer and shows none of your photos.",
            search_aliases=["export lora", "model card", "upload lora", "hugging face", "modelscope"],
            is_output_node=True,
            inputs=[
                sockets.Checkpoints.Input(
                    "checkpoints",
                    optional=True,
                    tooltip="From Train Z-Image LoRA or Checkpoint Sweep: the chosen checkpoint is exported. "
                    "Leave lora_name at none then.",
                ),
                io.Combo.Input(
                    "lora_name",
                    options=[NONE, *host.lora_names()],
                    default=NONE,
                    tooltip="A LoRA file, when no checkpoints are connected.",
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="Pictures made with the LoRA. The first one becomes the cover."
                ),
                io.Image.Input(
                    "grid", optional=True, tooltip="The grid of Checkpoint Sweep, shown at the end of the card."
                ),
                *widgets_of(PublishConfig),
            ],
            outputs=[io.String.Output(id="folder", display_name="folder", tooltip="The folder to upload.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs) -> float:
        """Exports anew at every queue: what the run and its sweep know may have changed."""
        return float("nan")

    @classmethod
    @host.in_users_language
    def execute(cls, lora_name, checkpoints=None, images=None, grid=None, **widgets) -> io.NodeOutput:
        from .publishing import export

        pictures = [to_picture(image_1HW3) for image_1HW3 in images.split(1)] if images is not None else []
        path, config = lora_file(lora_name, checkpoints), config_of(PublishConfig, widgets)
        published = export(path, checkpoints, config, pictures, to_picture(grid) if grid is not None else None)
        text = "\n".join(host.say_message(message) for message in published.messages)
        host.Progress(cls.hidden.unique_id).write(text)
        shown = [host.show_output(published.cover_path)] if published.cover_path else []
        return io.NodeOutput(str(published.folder), ui={"text": [text], "images": shown})
