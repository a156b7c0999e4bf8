"""Run with ComfyUI's own Python: the pack's photo tools on core's own classes, with small or random weights.

    python photo_tools_probe.py <ComfyUI> <folder for results>

Writes `results.json`: for every case what came out, for the test to judge. Loads no file but those it makes itself.
"""

import importlib.util
import json
import sys
import threading
import time
from pathlib import Path

from small_models import nearest_upscaler, prompt, save, small_sam3, with_patcher

HERE = Path(__file__).resolve()


def main(comfyui: str, results: str) -> None:
    sys.path.insert(0, comfyui)
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    spec = importlib.util.spec_from_file_location("pack", HERE.parents[1] / "nodes" / "pack.py")
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    tools, folder, said = pack.module("nodes.host_photo_tools"), Path(results), {}
    for case in (upscaler, remover, segmenter, wrong_sockets, restorer_files, lama_file, threads, choices):
        began_s = time.monotonic()
        said[case.__name__] = case(tools, folder)
        print(case.__name__, round(time.monotonic() - began_s, 1), "s", file=sys.stderr)
    (folder / "results.json").write_text(json.dumps(said), encoding="utf-8")


def picture(width=96, height=64):
    """A gradient with a white square in its left upper part."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 60)], axis=-1).astype(np.uint8)
    pixels[8:24, 8:24] = 255
    return Image.fromarray(pixels)


def levels(image):
    import numpy as np

    return np.asarray(image, float)


def upscaler(tools, folder):
    """A face through UPSCALE_MODEL: same place, same size, nothing but what 128 pixels can hold is lost."""
    import numpy as np
    from PIL import Image

    face = picture().resize((512, 512), Image.Resampling.BICUBIC)
    tool = tools.SocketUpscaler(with_patcher(nearest_upscaler()))
    made = [tool.restore(face, detail_px) for detail_px in (1, 128, 200, 512)]
    apart = [float(np.abs(levels(one) - levels(face)).mean()) for one in made]
    return {"sizes": [one.size for one in made], "apart": apart, "name": tool.name}


def remover(tools, folder):
    """Core's own BackgroundRemovalModel and its encode_image, with a network that calls the bright parts foreground."""
    import comfy.bg_removal_model
    import torch

    class Bright(torch.nn.Module):
        def __init__(self, config, dtype, device, operations):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(40.0))

        def forward(self, pixel_values):
            return (pixel_values.mean(1, keepdim=True) - 0.8) * self.scale

    path = folder / "bright.json"
    path.write_text(json.dumps({"model_type": "bright", "image_size": 64}), encoding="utf-8")
    comfy.bg_removal_model.BG_REMOVAL_MODELS["bright"] = Bright
    model = comfy.bg_removal_model.BackgroundRemovalModel(str(path))
    tool = tools.SocketRemover(model)
    matte = tool.foreground(picture())
    inside, outside = levels(matte)[11:21, 11:21], levels(matte)[40:, :]
    return {
        "size": matte.size, "mode": matte.mode, "inside": float(inside.min()), "outside": float(outside.max()),
        "name": tool.name,
    }  # fmt: skip


def segmenter(tools, folder):
    """Core's SAM3 called as core's own node calls it: the same masks as SAM3_Detect, and every one of them."""
    import torch
    from comfy_extras.nodes_sam3 import SAM3_Detect

    model, conditioning = small_sam3(), prompt()
    image = picture()
    pixels = tools.to_tensor(image)
    # Random weights score at random: a threshold at 0 on both sides lets every proposal through.
    tools._SURE = 0.0
    tool = tools.Sam3Segmenter(model, conditioning)
    ours = tool.masks(image)
    asked = [[conditioning[0][0], {**conditioning[0][1], "sam3_multi_cond": [
        {"cond": conditioning[0][0], "attention_mask": conditioning[0][1]["attention_mask"], "max_detections": 64}
    ]}]]  # fmt: skip
    with torch.inference_mode():
        cores = SAM3_Detect.execute(
            model, pixels, conditioning=asked, threshold=0.0, refine_iterations=0, individual_masks=True
        ).result[0]
    mine = torch.stack([torch.from_numpy(levels(mask) > 127).float() for mask in ours])
    two = tools.Sam3Segmenter(model, prompt(prompts=2))
    tools._SURE = 0.5
    return {
        "count": len(ours), "cores": len(cores), "sizes": sorted({mask.size for mask in ours}),
        "agree": float((mine == cores).float().mean()) if mine.shape == cores.shape else 0.0,
        "share": float(mine.mean()), "two_prompts": len(two._prompts()),
        "other_name": two.name != tool.name, "name": tool.name,
    }  # fmt: skip


def wrong_sockets(tools, folder):
    """What a user reads who connects something else."""
    config = tools.CleanConfig()
    said = {}
    for name, models in {
        "another model": {"segment_model": with_patcher(nearest_upscaler()).patcher, "segment_prompt": prompt()},
        "no prompt": {"segment_model": small_sam3()},
        "another prompt": {"segment_model": small_sam3(), "segment_prompt": prompt(width=2560)},
    }.items():
        if name == "another model":
            models["segment_model"].model.diffusion_model = models["segment_model"].model
        try:
            tools.clean_tools(config, **models)
        except tools.UserError as error:
            said[name] = error.message.key
    return said


def restorer_files(tools, folder):
    """Files of face restorers as spandrel recognises them, with random weights: what is called, and how."""
    import numpy as np
    import torch
    from PIL import Image
    from spandrel.architectures.GFPGAN import GFPGAN
    from spandrel.architectures.RestoreFormer import RestoreFormer

    face = picture().resize((512, 512), Image.Resampling.BICUBIC)
    models = folder / "models"
    models.mkdir()
    save(nearest_upscaler().model, models / "compact.safetensors")
    gfpgan = GFPGAN(
        out_size=512, num_style_feat=512, channel_multiplier=2, decoder_load_path=None, fix_decoder=False, num_mlp=8,
        input_is_latent=True, different_w=True, narrow=1, sft_half=True,
    )  # fmt: skip
    save(gfpgan, models / "gfpgan.safetensors")
    restoreformer = RestoreFormer(
        n_embed=16, embed_dim=32, ch=32, out_ch=3, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1,
        attn_resolutions=(16,), dropout=0.0, in_channels=3, resolution=512, z_channels=32, double_z=False,
        enable_mid=True, head_size=8,
    )  # fmt: skip
    save(restoreformer, models / "restoreformer.safetensors")
    (models / "broken.safetensors").write_bytes(b"no weights")
    save(torch.nn.Linear(2, 2), models / "foreign.safetensors")
    said = {}
    for path in sorted(models.iterdir()):
        torch.manual_seed(0)
        try:
            tool = tools.LockedRestorer(tools.FileRestorer(path, tools.ManagedPlace()))
            first = tool.restore(face, 128)
            torch.manual_seed(1)
            second = tool.restore(face, 128) if path.stem == "gfpgan" else first  # the only one that draws noise
        except tools.UserError as error:
            said[path.stem] = error.message.key
            continue
        said[path.stem] = {
            "size": first.size, "same": first.tobytes() == second.tobytes(), "name": tool.name,
            "apart": float(np.abs(levels(first) - levels(face)).mean()),
        }  # fmt: skip
    return said | {"gfpgan_range": gfpgan_range(tools, gfpgan, face)}


def gfpgan_range(tools, gfpgan, face):
    """What GFPGAN is given and how its answer is read: a stand-in for its forward that hands its input back."""
    import numpy as np
    import torch
    from spandrel import ModelLoader

    descriptor = ModelLoader().load_from_state_dict(gfpgan.state_dict())
    seen = {}

    def forward(x, return_rgb=True, randomize_noise=True):
        seen.update(low=float(x.min()), high=float(x.max()), rgb=return_rgb, noise=randomize_noise)
        return x, []

    descriptor.model.forward = forward
    with torch.inference_mode():
        made = tools.restore_by(descriptor, face, 512, torch.device("cpu"))
    return seen | {"apart": float(np.abs(levels(made) - levels(face)).max())}


def lama_file(tools, folder):
    """A LaMa file with random weights: recognised, and nothing outside the mask changes."""
    import numpy as np
    from PIL import Image
    from spandrel.architectures.LaMa import LaMa

    path = folder / "lama.safetensors"
    save(LaMa(in_nc=4, out_nc=3), path)
    tool = tools.LockedInpainter(tools.lama_inpainter(path, tools.ManagedPlace()))
    image = picture(160, 120)
    hole = np.zeros((120, 160), np.uint8)
    hole[40:80, 60:110] = 255
    made = tool.fill(image, Image.fromarray(hole))
    changed = np.abs(levels(made) - levels(image)).max(axis=-1) > 0
    return {
        "size": made.size, "outside": int(changed[hole == 0].sum()), "inside": float(changed[hole > 0].mean()),
        "large": tool.fills_large_areas, "name": tool.name,
    }  # fmt: skip


def threads(tools, folder):
    """Tools from several threads at once: the same answers, never two computations at a time."""
    from PIL import Image

    face = picture().resize((512, 512), Image.Resampling.BICUBIC)
    tool = tools.SocketUpscaler(with_patcher(nearest_upscaler()))
    at_once, most, inner = [0], [0], tool._model.model.forward

    def forward(x):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        made = inner(x)
        at_once[0] -= 1
        return made

    tool._model.model.forward = forward
    answers = [None] * 4

    def ask(index):
        answers[index] = tool.restore(face, 128).tobytes()

    running = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return {"same": len(set(answers)) == 1 and None not in answers, "most_at_once": most[0]}


def choices(tools, folder):
    """Which tools there are under which settings, and which sockets ComfyUI is asked to load."""
    config = tools.CleanConfig
    upscale_model = with_patcher(nearest_upscaler())
    quiet = tools.clean_tools(config(), upscale_model=upscale_model)
    loud = tools.clean_tools(config(enhance_faces="apply"), upscale_model=upscale_model)
    connected = dict.fromkeys(("bg_removal_model", "upscale_model", "segment_model", "segment_prompt"))
    return {
        "quiet": quiet.face_restorer is None,
        "loud": loud.face_restorer is not None,
        "same_other_names": quiet.names[:-1] == loud.names[:-1],
        "default": tools.needed_sockets(config(), connected),
        "all": tools.needed_sockets(config(background="blur", enhance_faces="report"), connected),
        "file": tools.needed_sockets(config(enhance_faces="apply"), {**connected, "face_restorer": "a.pth"}),
        "off": tools.needed_sockets(config(other_people="off"), connected),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
