"""MODEL, CLIP and VAE of the pocket model, built from ComfyUI's own classes with the widths the files show.

ComfyUI's loaders recognise a Z-Image by its full width only, so they cannot open the pocket's files.
"""

import json
from pathlib import Path

import comfy.ldm.modules.diffusionmodules.mmdit as mmdit
import comfy.model_management as model_management
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.text_encoders.llama as llama
import comfy.text_encoders.z_image as z_image
import comfy.utils
import torch
from transformers import Qwen2Tokenizer

TIME_EMBEDDING_WIDTH = 1024  # as diffusers has it at every size; ComfyUI narrows it with the model
TOKENIZER_FOLDER = "pocket_tokenizer"
PAD_TOKEN = 0


def build_model(path: Path) -> comfy.model_patcher.ModelPatcher:
    """The transformer as a MODEL, in fp32."""
    tensors, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    widths = json.loads(metadata["zimage_config"])
    dim, cap_feat_dim = tensors["cap_embedder.1.weight"].shape
    config = comfy.supported_models.ZImage(
        dict(
            image_model="lumina2", patch_size=2, in_channels=16, dim=dim, cap_feat_dim=cap_feat_dim, qk_norm=True,
            n_layers=1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers.")),
            n_heads=widths["n_heads"], n_kv_heads=widths["n_heads"], axes_dims=widths["axes_dims"],
            axes_lens=widths["axes_lens"], rope_theta=256.0, ffn_dim_multiplier=8 / 3, z_image_modulation=True,
            time_scale=1000.0, pad_tokens_multiple=32, dtype=torch.float32,
        )
    )  # fmt: skip
    config.set_inference_dtype(torch.float32, None)
    device = model_management.get_torch_device()
    model = config.get_model(tensors, "", device=torch.device("cpu"))
    model.diffusion_model.t_embedder = mmdit.TimestepEmbedder(
        TIME_EMBEDDING_WIDTH, output_size=256, dtype=torch.float32, operations=comfy.ops.disable_weight_init
    )
    model.diffusion_model.load_state_dict(tensors, strict=True)
    return comfy.model_patcher.ModelPatcher(
        model.eval(), load_device=device, offload_device=model_management.unet_offload_device()
    )


def build_clip(path: Path) -> comfy.sd.CLIP:
    """The text encoder as a CLIP; its tokenizer lies in a folder beside the file."""
    tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    query_dim, hidden_size = tensors["model.layers.0.self_attn.q_proj.weight"].shape
    head_dim = tensors["model.layers.0.self_attn.q_norm.weight"].shape[0]
    config = dict(
        hidden_size=hidden_size,
        vocab_size=tensors["model.embed_tokens.weight"].shape[0],
        intermediate_size=tensors["model.layers.0.mlp.up_proj.weight"].shape[0],
        num_hidden_layers=1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("model.layers.")),
        num_attention_heads=query_dim // head_dim,
        num_key_value_heads=tensors["model.layers.0.self_attn.k_proj.weight"].shape[0] // head_dim,
    )

    class Transformer(llama.Qwen3_4B):
        def __init__(self, config_dict, dtype, device, operations):
            torch.nn.Module.__init__(self)
            qwen = llama.Qwen3_4BConfig(**config_dict)
            qwen.head_dim = head_dim  # no field of the dataclass, so it cannot be passed
            self.num_layers, self.dtype = qwen.num_hidden_layers, dtype
            self.model = llama.Llama2_(qwen, device=device, dtype=dtype, ops=operations)

    class TextModel(comfy.sd1_clip.SDClipModel):
        def __init__(self, *, device, dtype, model_options):
            super().__init__(
                device=device, dtype=dtype, layer="hidden", layer_idx=-2, layer_norm_hidden_state=False,
                textmodel_json_config={}, special_tokens={"pad": PAD_TOKEN}, model_class=Transformer,
                enable_attention_masks=True, return_attention_masks=True, model_options=model_options,
            )  # fmt: skip

    class Tokenizer(comfy.sd1_clip.SDTokenizer):
        def __init__(self, *, embedding_directory, tokenizer_data):
            super().__init__(
                str(path.parent / TOKENIZER_FOLDER), tokenizer_class=Qwen2Tokenizer, pad_token=PAD_TOKEN,
                has_start_token=False, has_end_token=False, pad_with_end=False, pad_to_max_length=False, min_length=1,
                max_length=99999999, embedding_size=hidden_size, embedding_key="qwen3_4b",
                embedding_directory=embedding_directory, tokenizer_data=tokenizer_data,
            )  # fmt: skip

    target = comfy.supported_models_base.ClipTarget(z_image.ZImageTokenizer, z_image.te())
    return comfy.sd.CLIP(
        target,
        state_dict=[tensors],
        parameters=comfy.utils.calculate_parameters(tensors),
        tokenizer_data={"qwen3_4b_tokenizer_class": Tokenizer},
        model_options={"dtype": torch.float32, "qwen3_4b_class": TextModel, "qwen3_4b_model_config": config},
    )


def build_vae(path: Path) -> comfy.sd.VAE:
    """The autoencoder as a VAE, in fp32."""
    tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    levels = [tensors[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(4)]
    latent_channels = tensors["decoder.conv_in.weight"].shape[1]
    # ComfyUI's class for given widths has the two 1x1 convolutions that Z-Image's VAE lacks: here they change nothing.
    for name, num_channels in (("quant_conv", 2 * latent_channels), ("post_quant_conv", latent_channels)):
        tensors[f"{name}.weight"] = torch.eye(num_channels)[:, :, None, None]
        tensors[f"{name}.bias"] = torch.zeros(num_channels)
    widths = dict(
        double_z=True, z_channels=latent_channels, resolution=256, in_channels=3, out_ch=3, ch=levels[0],
        ch_mult=[width // levels[0] for width in levels], num_res_blocks=1, attn_resolutions=[], dropout=0.0,
    )  # fmt: skip
    vae = comfy.sd.VAE(
        sd=tensors, config={"params": dict(ddconfig=widths, embed_dim=latent_channels)}, dtype=torch.float32
    )
    vae.latent_channels = latent_channels
    return vae
