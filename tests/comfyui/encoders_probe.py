"""Run with ComfyUI's own Python: the pack's HostEncoders over core's CLIP and VAE classes, with the pocket's weights.

    python encoders_probe.py <ComfyUI> <folder with the three pocket files and the tokenizer> <file for results>

Writes JSON: how far captions and photos together are from each alone, and what becomes of CLIPs that cannot do that.
"""

import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
CAPTIONS = [
    "a photo of Mila", "a photo of Mila, smiling, with (pink hair:1.3), in a garden behind the house by the sea", "",
    "一张 Mila 的照片，红色外套", "Mila", "a photo of Mila [trigger] with a very long caption, " * 4,
]  # fmt: skip


def main(comfyui: str, files: str, results: str) -> None:
    sys.path.insert(0, comfyui)
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    pack = load("pack", HERE.parents[1] / "nodes" / "pack.py")
    build = load("build", HERE.parent / "pocket_nodes" / "build.py")
    host = pack.module("nodes.host_encoders")
    clip = build.build_clip(Path(files) / "pocket_qwen_3.safetensors")
    vae = build.build_vae(Path(files) / "pocket_ae.safetensors")
    said = {**texts(host, clip, vae), **images(host, clip, vae), "refused": refused(host, clip, vae)}
    Path(results).write_text(json.dumps(said), encoding="utf-8")


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(host, clip, vae) -> dict:
    encoders, passes = host.HostEncoders(clip, vae), counted(clip)
    alone = [encoders.encode_texts([caption])[0] for caption in CAPTIONS]
    num_alone = len(passes)
    together = encoders.encode_texts(CAPTIONS)
    first = len(passes) - num_alone
    encoders.encode_texts(CAPTIONS[::-1])
    return {
        "shapes": [[list(one.shape), list(other.shape)] for one, other in zip(alone, together, strict=True)],
        "differences": [relative(other, one) for one, other in zip(alone, together)],
        "passes": [num_alone, first, len(passes) - num_alone - first],
        "largest": max(one.abs().max().item() for one in alone),
    }


def images(host, clip, vae) -> dict:
    import torch

    encoders = host.HostEncoders(clip, vae)
    photos = torch.rand(3, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    together = encoders.encode_images(photos)
    alone = torch.cat([encoders.encode_images(photo[None]) for photo in photos])
    return {"latents": list(together.shape), "latents_difference": relative(together, alone)}


def refused(host, clip, vae) -> dict:
    """What a CLIP comes to that looks at what stands behind a token, one that gives sections of its own length, one
    with two encoders, and one that cuts a caption into two sections."""

    class Other:
        def __init__(self, **changed):
            self.__dict__.update(changed)

        def __getattr__(self, name):
            return getattr(clip, name)

    def blind_to_order(tokens):
        (conditioning, rest), *_ = clip.encode_from_tokens_scheduled(tokens)
        return [[conditioning + 0.3 * conditioning.flip(1), rest]]

    def padded(tokens):
        import torch

        (conditioning, rest), *_ = clip.encode_from_tokens_scheduled(tokens)
        return [[torch.nn.functional.pad(conditioning, (0, 0, 0, 1)), rest]]

    def two_encoders(text):
        return {**clip.tokenize(text), "clip_l": clip.tokenize(text)["qwen3_4b"]}

    def two_sections(text):
        (sections,) = clip.tokenize(text).values()
        return {"qwen3_4b": sections * 2}

    clips = {
        "sees behind": Other(encode_from_tokens_scheduled=blind_to_order),
        "other lengths": Other(encode_from_tokens_scheduled=padded),
        "two encoders": Other(tokenize=two_encoders),
        "two sections": Other(tokenize=two_sections),
    }
    return {name: attempt(host, host.HostEncoders(other, vae)) for name, other in clips.items()}


def attempt(host, encoders) -> str:
    try:
        encoders.encode_texts(CAPTIONS)
    except host.OneByOne as error:
        return error.reason.key
    return "encoded together"


def counted(clip) -> list:
    """Filled with a None for each pass through the text encoder."""
    passes: list = []
    encode = clip.cond_stage_model.encode_token_weights

    def counting(tokens):
        passes.append(None)
        return encode(tokens)

    clip.cond_stage_model.encode_token_weights = counting
    return passes


def relative(found, wanted) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


if __name__ == "__main__":
    main(*sys.argv[1:])
