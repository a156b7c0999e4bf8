"""CleanAndResize: the node that makes working copies of photos."""

from comfy_api.latest import io

from ..trainer.photos.clean import CleanConfig, clean_photos
from . import host, sockets
from .widgets import config_of, widgets_of


class CleanAndResize(io.ComfyNode):
    """Working copies of the photos, upright and of one size; the originals are never written."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CleanAndResize",
            display_name="Clean and Resize Photos",
            category="Z-Image LoRA",
            description="Makes working copies of the photos: upright, sRGB, the longest side no longer than wanted. "
            "The originals are never written.",
            search_aliases=["resize photos", "prepare dataset", "clean dataset"],
            is_output_node=True,
            inputs=[sockets.Photos.Input("photos", tooltip="From Load Photo Folder."), *widgets_of(CleanConfig)],
            outputs=[
                sockets.Photos.Output(id="photos", display_name="photos", tooltip="The working copies."),
                io.String.Output(id="report", display_name="report", tooltip="What was found and done, as text."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def execute(cls, photos, **widgets) -> io.NodeOutput:
        from ..trainer.photos.report import contact_sheet, describe

        progress = host.Progress(cls.hidden.unique_id)
        config = config_of(CleanConfig, widgets)
        work_dir = host.working_copies_dir(photos.folder)
        cleaned = clean_photos(photos, config, work_dir, progress.show_or_stop)
        report = describe(cleaned, progress.language)
        progress.write(report)
        picture = host.show_picture(contact_sheet(cleaned), "working_copies")
        return io.NodeOutput(cleaned, report, ui={"images": [picture], "text": [report]})
