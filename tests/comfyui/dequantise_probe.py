"""Run by ComfyUI's own Python: reads a quantised file with ComfyUI's own code and writes the plain weights to another.

python dequantise_probe.py COMFYUI_FOLDER QUANTISED_FILE PLAIN_FILE
"""

import sys
from pathlib import Path

comfyui, source, target = sys.argv[1:4]
sys.argv = [sys.argv[0], "--cpu"]  # ComfyUI reads the command line itself
sys.path.insert(0, comfyui)

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import torch  # noqa: E402
from comfy import ops, utils  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

PREFIX = "model.diffusion_model."

state, metadata = utils.load_torch_file(source, return_metadata=True)
state = {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
state, metadata = utils.convert_old_quants(state, "", metadata=metadata)
linear = ops.mixed_precision_ops({}, torch.float32).Linear
plain = {}
for layer in [name.removesuffix(".weight") for name in state if name.endswith(".weight")]:
    weight = state[f"{layer}.weight"]
    if weight.ndim == 2:
        module = linear(weight.shape[1], weight.shape[0], bias=False, device="cpu", dtype=torch.float32)
        own = (name for name in state if name.startswith(f"{layer}.") and not name.endswith(".bias"))
        module.load_state_dict({name.removeprefix(f"{layer}."): state[name].clone() for name in own}, strict=False)
        weight = module.convert_weight(module.weight)
    plain[f"{layer}.weight"] = weight.detach().float().contiguous()
save_file(plain, Path(target))
