"""Small models for photo_tools_probe.py, of core's and spandrel's own classes. Imported in ComfyUI's own Python."""


def nearest_upscaler():
    """spandrel's Compact, x4, with weights of zero: it adds nothing to its input, whose pixels it repeats."""
    import torch
    from spandrel import ModelLoader
    from spandrel.architectures.Compact import Compact

    model = Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=1, upscale=4)
    return ModelLoader().load_from_state_dict(
        {name: torch.zeros_like(part) for name, part in model.state_dict().items()}
    )


def with_patcher(descriptor):
    """What core's UpscaleModelLoader hands on."""
    import comfy.model_management
    import comfy.model_patcher

    descriptor.patcher = comfy.model_patcher.CoreModelPatcher(
        descriptor.model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )
    return descriptor


def small_sam3():
    """Core's own SAM3Model with a vision backbone of two narrow layers, random weights, in core's ModelPatcher."""
    import comfy.ldm.sam3.detector
    import comfy.model_management
    import comfy.model_patcher
    import comfy.ops
    import torch

    network = comfy.ldm.sam3.detector.SAM3Model(
        device="cpu", dtype=torch.float32, operations=comfy.ops.disable_weight_init, image_model="SAM3",
        embed_dim=64, depth=2, num_heads=2, global_att_blocks=(1,), num_queries=12,
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, part in network.named_parameters():
            if part.ndim > 1:
                part.copy_(torch.randn(part.shape, generator=generator) / part[0].numel() ** 0.5)
            else:  # norms and biases
                part.fill_(1.0 if name.endswith("weight") else 0.0)

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.diffusion_model = network

        def get_dtype(self):
            return torch.float32

    return comfy.model_patcher.ModelPatcher(
        Wrapped(), load_device=comfy.model_management.get_torch_device(), offload_device=torch.device("cpu")
    )


def prompt(width=64, prompts=1):
    import torch

    generator = torch.Generator().manual_seed(1)
    parts = [
        {
            "cond": torch.randn(1, 32, width, generator=generator),
            "attention_mask": torch.ones(1, 32, dtype=torch.int64),
            "max_detections": 1,
        }
        for _ in range(prompts)
    ]
    options = {"attention_mask": parts[0]["attention_mask"]}
    if prompts > 1:
        options["sam3_multi_cond"] = parts
    return [[parts[0]["cond"], options]]


def save(descriptor_or_model, path):
    from safetensors.torch import save_file

    save_file({name: part.contiguous() for name, part in descriptor_or_model.state_dict().items()}, path)
