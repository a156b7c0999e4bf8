"""The pocket's stand-ins for UNETLoader, CLIPLoader and VAELoader, with the same folders and the same outputs."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from .build import build_clip, build_model, build_vae


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
