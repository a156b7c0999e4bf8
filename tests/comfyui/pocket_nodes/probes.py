"""Probes: nodes that write down what MODEL, CLIP and VAE compute, and what is still in memory, for a test to read."""

import gc
import hashlib
from pathlib import Path

import comfy.model_management as model_management
import folder_paths
import torch
from comfy_api.latest import io
from safetensors.torch import load_file, save_file


def probe_schema(node_id: str, *inputs: io.Input) -> io.Schema:
    """A node that only shows what it finds, anew at every queue."""
    return io.Schema(
        node_id=node_id, category="pocket", is_output_node=True, not_idempotent=True, inputs=list(inputs), outputs=[]
    )


def num_hooks(model) -> list[int]:
    """How many forward hooks are on each of a loaded MODEL's modules; loading takes off what a clone had merged."""
    model_management.load_models_gpu([model])
    return [len(module._forward_hooks) for module in model.model.modules()]


class PocketProbe(io.ComfyNode):
    """Reads `noisy`, `pixels` and `sigma` from a file in input/ and writes what the parts make of them to output/."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return probe_schema(
            "PocketProbe",
            io.Model.Input("model"),
            io.Clip.Input("clip"),
            io.Vae.Input("vae"),
            io.String.Input("prompt"),
            io.String.Input("file"),
        )

    @classmethod
    def execute(cls, model, clip, vae, prompt: str, file: str) -> io.NodeOutput:
        given = load_file(Path(folder_paths.get_input_directory()) / file)
        text_BNC = clip.encode_from_tokens(clip.tokenize(prompt))
        latents_BCHW = vae.encode(given["pixels"])
        model_management.load_models_gpu([model])
        transformer = model.model.diffusion_model
        made = dict(
            text=text_BNC,
            latents=latents_BCHW,
            pixels=vae.decode(latents_BCHW),
            velocity=transformer(given["noisy"], given["sigma"], text_BNC, num_tokens=text_BNC.shape[1]),
        )
        output = Path(folder_paths.get_output_directory()) / file
        save_file({name: tensor.clone().contiguous().float() for name, tensor in made.items()}, output)
        return io.NodeOutput()


class PocketCountTransformers(io.ComfyNode):
    """How many of diffusers' Z-Image transformers are still referenced: what training must give back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return probe_schema("PocketCountTransformers")

    @classmethod
    def fingerprint_inputs(cls) -> float:
        return float("nan")

    @classmethod
    def execute(cls) -> io.NodeOutput:
        gc.collect()
        num_left = sum(type(thing).__name__ == "ZImageTransformer2DModel" for thing in gc.get_objects())
        return io.NodeOutput(ui={"transformers": [num_left]})


class PocketDigest(io.ComfyNode):
    """The SHA-256 of every weight of a MODEL as it lies in memory, and how many patches, hooks and kept weights it has:
    the same after anything that leaves the model as it was."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return probe_schema("PocketDigest", io.Model.Input("model"))

    @classmethod
    def fingerprint_inputs(cls, **_) -> float:
        return float("nan")

    @classmethod
    def execute(cls, model) -> io.NodeOutput:
        hooks = sum(num_hooks(model))
        digest = hashlib.sha256()
        for name, weight in sorted(model.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        counts = [len(model.patches), len(model.backup), hooks]
        return io.NodeOutput(ui={"digest": [digest.hexdigest()], "counts": counts})


class PocketCountHooks(io.ComfyNode):
    """How many forward hooks are on the model's modules, while it is loaded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return probe_schema("PocketCountHooks", io.Model.Input("model"))

    @classmethod
    def execute(cls, model) -> io.NodeOutput:
        hooks = num_hooks(model)
        return io.NodeOutput(ui={"hooks": [sum(hooks)], "hooked": [sum(num > 0 for num in hooks)]})
