"""The nodes, in the order of the pipeline. Each reads its inputs, calls one function of the trainer, and returns."""

from comfy_api.latest import ComfyExtension, io

from .apply_lora import ApplyLoRA
from .caption_photos import AutoCaption
from .clean_photos import CleanAndResize
from .convert_lora import ConvertLoRA
from .dataset_report import DatasetReport
from .export_dataset import ExportDataset
from .load_photos import LoadPhotoFolder
from .publish_lora import PublishLoRA
from .routes import add_routes
from .sweep_checkpoints import CheckpointSweep
from .train_lora import TrainZImageLoRA


class ZImageLoraExtension(ComfyExtension):
    """What ComfyUI asks for our nodes."""

    async def on_load(self) -> None:
        """Called once, before the server starts."""
        add_routes()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes."""
        return [
            LoadPhotoFolder,
            CleanAndResize,
            AutoCaption,
            DatasetReport,
            ExportDataset,
            TrainZImageLoRA,
            CheckpointSweep,
            ApplyLoRA,
            ConvertLoRA,
            PublishLoRA,
        ]
