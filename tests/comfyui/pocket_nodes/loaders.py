"""The pocket's stand-ins for UNETLoader, CLIPLoader and VAELoader, with the same folders and the same outputs."""

from pathlib import Path

import comfy.utils
import folder_paths
from comfy_api.latest import io

from .build import build_clip, build_model, build_vae
from .vision import build_vision_clip, take_time


class PocketModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = folder_paths.get_filename_list("diffusion_models")
        return io.Schema(
            node_id="PocketModelLoader",
            category="pocket",
            inputs=[io.Combo.Input("unet_name", options=files)],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, unet_name: str) -> io.NodeOutput:
        return io.NodeOutput(build_model(Path(folder_paths.get_full_path_or_raise("diffusion_models", unet_name))))


class PocketClipLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = folder_paths.get_filename_list("text_encoders")
        return io.Schema(
            node_id="PocketClipLoader",
            category="pocket",
            inputs=[io.Combo.Input("clip_name", options=files)],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def execute(cls, clip_name: str) -> io.NodeOutput:
        return io.NodeOutput(build_clip(Path(folder_paths.get_full_path_or_raise("text_encoders", clip_name))))


class PocketVaeLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        files = folder_paths.get_filename_list("vae")
        return io.Schema(
            node_id="PocketVaeLoader",
            category="pocket",
            inputs=[io.Combo.Input("vae_name", options=files)],
            outputs=[io.Vae.Output()],
        )

    @classmethod
    def execute(cls, vae_name: str) -> io.NodeOutput:
        return io.NodeOutput(build_vae(Path(folder_paths.get_full_path_or_raise("vae", vae_name))))


class PocketVisionLoader(io.ComfyNode):
    """A tiny Qwen3-VL: with the weights of a file, or random ones. What it is asked is counted in output/asked.log."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PocketVisionLoader",
            category="pocket",
            inputs=[
                io.String.Input("weights", default=""),
                io.Float.Input("pause_s", default=0.0, tooltip="How long each token takes."),
                io.Float.Input("run", default=0.0, tooltip="Another number, another model for ComfyUI's cache."),
            ],
            outputs=[io.Clip.Output()],
        )

    @classmethod
    def execute(cls, weights: str, pause_s: float, run: float) -> io.NodeOutput:
        clip = build_vision_clip(comfy.utils.load_torch_file(weights, safe_load=True) if weights else {})
        clip.log_path = Path(folder_paths.get_output_directory()) / "asked.log"
        if weights:  # what core's loader leaves behind
            clip.patcher.cached_patcher_init = (build_vision_clip, ([weights],))
        if pause_s:
            take_time(clip, pause_s)
        return io.NodeOutput(clip)
