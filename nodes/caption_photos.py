"""AutoCaption: the node that gives every photo its caption."""

from comfy_api.latest import io

from ..trainer.captions.template import CaptionConfig, caption_photos
from . import host, sockets
from .widgets import config_of, widgets_of


class AutoCaption(io.ComfyNode):
    """A caption for every photo: the user's own text file beside it, else the template."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AutoCaption",
            display_name="Auto Caption",
            category="Z-Image LoRA",
            description="Gives every photo a caption: the .txt file you wrote beside it, else the template. "
            "Keep captions simple; the model learns constant features by itself.",
            search_aliases=["caption photos", "tag photos", "lora captions"],
            is_output_node=True,
            inputs=[
                sockets.Photos.Input("photos", tooltip="From Clean and Resize Photos, or from Load Photo Folder."),
                *widgets_of(CaptionConfig),
            ],
            outputs=[
                sockets.Dataset.Output(id="dataset", display_name="dataset", tooltip="The photos with their captions.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def execute(cls, photos, **widgets) -> io.NodeOutput:
        from .live import captions_text

        dataset = caption_photos(photos, config_of(CaptionConfig, widgets))
        text = captions_text(dataset, host.language())
        host.Progress(cls.hidden.unique_id).write(text)
        return io.NodeOutput(dataset, ui={"text": [text]})
