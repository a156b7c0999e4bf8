"""Run with ComfyUI's own Python: LoRA files through core's loader onto the pocket model, and what it then computes.

    python load_networks.py <ComfyUI> <pocket file> <given.safetensors> <folder of LoRA files> <folder for results>

`given` holds noisy, sigma and text. For every LoRA file a result with the velocity is written, the keys that core did
not load in its metadata; `plain.safetensors` is the model without a LoRA. A last argument `half` has core compute the
merged weights in fp16, as it does on most GPUs.
"""

import json
import logging
import sys
from pathlib import Path


def main(comfyui: str, model_file: str, given_file: str, loras: str, results: str, precision: str = "full") -> None:
    sys.path.insert(0, comfyui)
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.lora
    import comfy.lora_convert
    import comfy.model_management
    import comfy.utils
    import torch
    from pocket_nodes.build import build_model
    from safetensors.torch import load_file, save_file

    if precision == "half":
        comfy.model_management.lora_compute_dtype = lambda device: torch.float16
    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger().addHandler(handler)

    model = build_model(Path(model_file))
    given = load_file(given_file)
    for path in (None, *sorted(Path(loras).glob("*.safetensors"))):
        patched = model.clone()
        warnings.clear()
        if path:
            lora = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(str(path), safe_load=True))
            keys = comfy.lora.model_lora_keys_unet(model.model, {})
            patched.add_patches(comfy.lora.load_lora(lora, keys), 1.0)
        comfy.model_management.load_models_gpu([patched], force_full_load=True)
        with torch.no_grad():
            transformer = patched.model.diffusion_model
            velocity = transformer(given["noisy"], given["sigma"], given["text"], num_tokens=given["text"].shape[1])
        said = [text for text in warnings if any(word in text for word in ("not loaded", "ERROR", "NOT", "Failed"))]
        name = path.name if path else "plain.safetensors"
        save_file({"velocity": velocity.float().contiguous()}, Path(results) / name, {"said": json.dumps(said)})


if __name__ == "__main__":
    main(*sys.argv[1:])
