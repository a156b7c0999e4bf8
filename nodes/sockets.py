"""Sockets: one ComfyUI type per value that crosses a wire between our nodes."""

from comfy_api.latest import io

Photos = io.Custom("ZIMAGE_LORA_PHOTOS")
"""A `trainer.photos.photo.PhotoSet`."""
Dataset = io.Custom("ZIMAGE_LORA_DATASET")
"""A `trainer.captions.dataset.Dataset`."""
Checkpoints = io.Custom("ZIMAGE_LORA_CHECKPOINTS")
"""A `trainer.training.keeping.results.Checkpoints`."""
FaceDetectionModel = io.Custom("FACE_DETECTION_MODEL")
"""ComfyUI's own, of the node Load Face Detection Model (MediaPipe)."""
