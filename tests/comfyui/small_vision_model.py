"""Run with ComfyUI's own Python: trains the tiny Qwen3-VL of pocket_nodes/vision.py to say what colour it sees.

    python small_vision_model.py <ComfyUI> <file to write>

Seconds from random weights. It knows two questions of ours and tells red pictures from blue ones: enough for an
answer that comes from the picture, through core's own tokenizer, vision tower and decoding, to reach a caption.
"""

import functools
import importlib.util
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve()
FEATURES = {"red": "hair style: ponytail\nheadwear: none", "blue": "hair style: loose\nheadwear: none"}
SENTENCES = {"red": "A photo of the woman in a red room.", "blue": "A photo of the woman in a blue room."}
NUM_STEPS, LEARNING_RATE, GOOD_LOSS = 200, 3e-3, 0.01


def main(comfyui: str, path: str) -> None:
    sys.path.insert(0, comfyui)
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import torch
    from safetensors.torch import save_file

    pack = _load(HERE.parents[1] / "nodes" / "pack.py")
    vision = _load(HERE.parent / "pocket_nodes" / "vision.py")
    config = pack.module("trainer.captions.config").CaptionConfig
    question_for = pack.module("trainer.captions.vision.questions").question_for
    tokens = pack.module("nodes.host_captioner")._tokens
    clip = vision.build_vision_clip({})
    answers = {"features": FEATURES, "full": SENTENCES}
    lessons = [
        (question_for(config(subject="Mila", class_word="woman", vision=mode)).text, colour, said[colour])
        for mode, said in answers.items()
        for colour in ("red", "blue")
    ]
    network = clip.cond_stage_model.requires_grad_(True)
    # Ten million of its eleven million numbers are words it never says: those stay random.
    language = getattr(network, vision.KIND).transformer.model
    language.embed_tokens.requires_grad_(False)
    for block in language.layers:
        block.forward = functools.partial(_differentiable, block)
    with torch.no_grad():
        language.norm.weight.fill_(6.0)  # words so short are told apart from 150,000 others only by larger numbers
    trained = [part for part in network.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=0.0)
    generator = torch.Generator().manual_seed(1)
    began_s, worst = time.monotonic(), 1.0
    for step in range(NUM_STEPS):
        losses = [
            _loss(clip, vision, tokens(clip, ask, picture(colour, generator)), said) for ask, colour, said in lessons
        ]
        optimizer.zero_grad()
        sum(losses).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        worst = 0.5 * worst + 0.5 * max(loss.item() for loss in losses)
        if step % 20 == 0:
            print(step, [round(loss.item(), 4) for loss in losses], round(time.monotonic() - began_s), file=sys.stderr)
        if worst < GOOD_LOSS:
            break
    print(f"{step + 1} steps, loss {worst:.4f}, {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    save_file({name: part.detach().contiguous() for name, part in network.state_dict().items()}, path)


def _differentiable(block, x, attention_mask, freqs_cis, optimized_attention, past_key_value):
    """What core's block computes; core itself writes the sum into its input, which has no gradient."""
    attended, kept = block.self_attn(
        hidden_states=block.input_layernorm(x), attention_mask=attention_mask, freqs_cis=freqs_cis,
        optimized_attention=optimized_attention, past_key_value=past_key_value,
    )  # fmt: skip
    x = x + attended
    return x + block.mlp(block.post_attention_layernorm(x)), kept


def picture(colour, generator):
    """A noisy picture, 64 to 128 pixels a side, that is mostly red or mostly blue."""
    import numpy as np
    import torch
    from PIL import Image

    height, width = (32 * int(torch.randint(2, 5, (1,), generator=generator)) for _ in range(2))
    pixels = np.asarray(torch.randint(0, 60, (height, width, 3), generator=generator), np.uint8)
    pixels[..., 0 if colour == "red" else 2] += 190
    return Image.fromarray(pixels)


def _loss(clip, vision, tokens, said):
    """Cross entropy of an answer's tokens and its end, each after those before it."""
    import torch

    part = getattr(clip.cond_stage_model, vision.KIND)
    network = part.transformer
    tokenizer = getattr(clip.tokenizer, vision.KIND).tokenizer
    answer = torch.tensor([[*tokenizer(said)["input_ids"], network.model.config.stop_tokens[0]]])
    asked = [[token[0] for token in batch] for batch in next(iter(tokens.values()))]
    prompt_1NC, _, _, info = part.process_tokens(asked, torch.device("cpu"))
    whole_1NC = torch.cat([prompt_1NC, network.model.embed_tokens(answer[:, :-1])], 1)
    positions, masks, deepstack = network.build_image_inputs(whole_1NC, info)
    out_1NC = network.model(
        None, embeds=whole_1NC, position_ids=positions, visual_pos_masks=masks, deepstack_embeds=deepstack
    )[0]
    logits_NV = out_1NC[0, prompt_1NC.shape[1] - 1 :] @ network.model.embed_tokens.weight.T
    return torch.nn.functional.cross_entropy(logits_NV, answer[0])


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
