"""ExportDataset: the node that writes a dataset as a folder for other trainers."""

from comfy_api.latest import io

from . import host, sockets


class ExportDataset(io.ComfyNode):
    """Pictures with a caption file each, in a folder that AI Toolkit and musubi-tuner read, and Load Photo Folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ExportDataset",
            display_name="Export Dataset",
            category="Z-Image LoRA",
            description="Writes the photos with a caption file each into a folder that AI Toolkit, musubi-tuner and "
            "other trainers read, and Load Photo Folder too. Nothing else is ever overwritten.",
            search_aliases=["save dataset", "ai toolkit", "musubi tuner", "kohya", "caption files"],
            is_output_node=True,
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="From Auto Caption."),
                io.String.Input(
                    "folder_name",
                    default="",
                    dynamic_prompts=False,
                    tooltip="What the folder in output/zimage_lora/datasets is called; the subject's name if empty. A "
                    "folder exported before under that name is replaced.",
                ),
            ],
            outputs=[io.String.Output(id="folder", display_name="folder", tooltip="The full path of the folder.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @host.in_users_language
    def execute(cls, dataset, folder_name) -> io.NodeOutput:
        from ..trainer.captions.export.export import export_dataset
        from .live import exported_text

        progress = host.Progress(cls.hidden.unique_id)
        folder = host.export_dir(folder_name.strip() or dataset.subject)
        exported = export_dataset(dataset, folder, progress.show_photo_or_stop)
        text = exported_text(exported, progress.language)
        progress.write(text)
        return io.NodeOutput(str(exported.folder), ui={"text": [text]})
