"""The pocket model with quantised weights, in the formats that ComfyUI marks."""

import json
from pathlib import Path

import comfy.ops
import comfy.quant_ops
import folder_paths
import torch
from comfy_api.latest import io

from .build import build_model

FORMATS = ("float8_e4m3fn", "int8_tensorwise", "plain float8")


def quantise(model, quant_format: str) -> None:
    """Replace the linear layers of the main blocks and refiners by quantised ones of ComfyUI's own class."""
    if quant_format == "plain float8":  # what UNETLoader's weight_dtype does
        for name, layer in model.named_modules():
            if "." in name and isinstance(layer, torch.nn.Linear) and "embed" not in name:
                layer.weight = torch.nn.Parameter(layer.weight.to(torch.float8_e4m3fn), requires_grad=False)
                layer.comfy_cast_weights = True
        return
    linear = comfy.ops.mixed_precision_ops({}, torch.float32, disabled={"float8_e4m3fn"}).Linear
    layout = comfy.quant_ops.QUANT_ALGOS[quant_format]["comfy_tensor_layout"]
    for name, layer in list(model.named_modules()):
        if "." not in name or not isinstance(layer, torch.nn.Linear) or "embed" in name:
            continue
        state = layer.state_dict()
        packed = comfy.quant_ops.QuantizedTensor.from_float(state["weight"].float(), layout, scale="recalculate")
        state = {**state, **packed.state_dict("weight"), "comfy_quant": _marker(quant_format)}
        quantised = linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="cpu")
        quantised.load_state_dict(state)
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], quantised)


def _marker(quant_format: str) -> torch.Tensor:
    return torch.tensor(list(json.dumps({"format": quant_format}).encode()), dtype=torch.uint8)


class PocketQuantisedLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PocketQuantisedLoader",
            category="pocket",
            inputs=[
                io.Combo.Input("unet_name", options=folder_paths.get_filename_list("diffusion_models")),
                io.Combo.Input("format", options=list(FORMATS)),
                io.Boolean.Input("dequantised", default=False, tooltip="The same numbers in fp32."),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, unet_name: str, format: str, dequantised: bool) -> io.NodeOutput:
        path = Path(folder_paths.get_full_path_or_raise("diffusion_models", unet_name))
        patcher = build_model(path)
        quantise(patcher.model.diffusion_model, format)
        if not dequantised:
            return io.NodeOutput(patcher)
        full = build_model(path)
        weights = dict(patcher.model.diffusion_model.named_parameters())
        for name, parameter in full.model.diffusion_model.named_parameters():
            weight = weights[name]
            weight = weight.dequantize() if isinstance(weight, comfy.quant_ops.QuantizedTensor) else weight
            parameter.data.copy_(weight.float())
        return io.NodeOutput(full)
