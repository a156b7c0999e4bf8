"""LoadPhotoFolder: the node that reads a folder of photos."""

from comfy_api.latest import io

from ..trainer.photos.folder import folder_fingerprint
from . import host, sockets


class LoadPhotoFolder(io.ComfyNode):
    """A folder of photos of one person, every file that is no good named with the reason."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadPhotoFolder",
            display_name="Load Photo Folder",
            category="Z-Image LoRA",
            description="Reads a folder with photos of one person. 70 to 80 good photos are recommended. "
            "Files that cannot be used are named with the reason.",
            search_aliases=["dataset", "training photos", "image folder", "lora dataset"],
            has_intermediate_output=True,
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    placeholder="/path/to/photos",
                    tooltip="The full path of the folder with the photos, or a subfolder of ComfyUI's input folder.",
                ),
                io.Boolean.Input("recursive", default=False, tooltip="Also read the folder's subfolders."),
            ],
            outputs=[sockets.Photos.Output(id="photos", display_name="photos", tooltip="The photos, in order.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, folder, recursive):
        """Changes when a photo or a caption file beside it does."""
        if folder is None:  # the folder comes by a wire, and wires are not followed here: read it every time
            return float("nan")
        return folder_fingerprint(host.photo_folder(folder), recursive)

    @classmethod
    @host.in_users_language
    def execute(cls, folder, recursive) -> io.NodeOutput:
        from ..trainer.photos.load import load_photos
        from ..trainer.photos.memo import Memo
        from ..trainer.photos.report.sheet import contact_sheet
        from ..trainer.photos.report.text import describe

        progress = host.Progress(cls.hidden.unique_id)
        photos = load_photos(
            host.photo_folder(folder),
            recursive=recursive,
            memo=Memo(host.memo_dir()),
            progress=progress.show_photo_or_stop,
        )
        text = describe(photos, progress.language)
        progress.write(text)
        picture = host.show_picture(contact_sheet(photos), "photos")
        return io.NodeOutput(photos, ui={"images": [picture], "text": [text]})
