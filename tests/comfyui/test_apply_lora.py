"""ApplyLoRA in a real ComfyUI: every format gives what the standard file gives, and quantised models lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.comfyui.server import ComfyServer, Graph, Ran
from tests.comfyui.test_pocket_nodes import PROMPT, probe_graph, relative, write_probe_input
from tests.trainer.lora_layouts import LAYOUTS, Layout, Pairs, kinds, pairs, standard

pytestmark = pytest.mark.comfyui

EXACT = 1e-5
"""Relative: the same sums in another order."""
NUM_MODULES = 32
"""4 layers of 8."""
NUM_FUSED = 24
"""The same where to_q, to_k and to_v are one."""
FORMATS = ("float8_e4m3fn", "int8_tensorwise", "plain float8")


@pytest.fixture(scope="module")
def lora() -> Pairs:
    return pairs()


@pytest.fixture(scope="module")
def loras(server: ComfyServer, lora: Pairs) -> Path:
    """The folder of LoRA files, with one of every layout and kind, each in a folder of its own."""
    folder = server.base_dir / "models/loras"
    for name, layout in LAYOUTS.items():
        layout(lora).write(folder / name / "a.safetensors")
    for name, made in kinds(lora).items():
        made.write(folder / name / "a.safetensors")
    standard(lora).write(folder / "standard.safetensors")
    other = {module: (-0.7 * down.flip(0), up) for module, (down, up) in lora.items() if "mlp" not in module}
    standard(other).write(folder / "other.safetensors")
    write_probe_input(server.base_dir / "input/apply.safetensors")
    return folder


def apply(name: str, model: str = "1", **inputs: float) -> dict:
    return {"class_type": "ApplyLoRA", "inputs": dict(model=[model, 0], lora_name=name, strength=1.0) | inputs}


def graph_of(*applied: dict, loader: dict | None = None) -> Graph:
    """The pocket model, LoRAs on it one after the other, and the probe."""
    graph = probe_graph(PROMPT, "apply.safetensors", model=str(10 + len(applied)) if applied else "1")
    if loader:
        graph["1"] = {"class_type": "PocketQuantisedLoader", "inputs": {"unet_name": "pocket_z_image.safetensors"}}
        graph["1"]["inputs"] |= {"dequantised": False} | loader
    for index, node in enumerate(applied):
        inputs = {**node["inputs"], "model": [str(10 + index) if index else "1", 0]}
        graph[str(11 + index)] = {**node, "inputs": inputs}
    return graph


def velocity(server: ComfyServer, graph: Graph) -> tuple[torch.Tensor, Ran]:
    ran = server.run(graph)
    assert ran.status == "success", ran.error
    return load_file(server.base_dir / "output/apply.safetensors")["velocity"], ran


def said(ran: Ran, node_id: str = "11") -> str:
    return ran.output(node_id)["text"][0]


@pytest.fixture(scope="module")
def plain(server: ComfyServer, loras: Path) -> torch.Tensor:
    return velocity(server, graph_of())[0]


@pytest.fixture(scope="module")
def expected(server: ComfyServer, loras: Path) -> torch.Tensor:
    """What core's own node makes of the standard file."""
    inputs = dict(lora_name="standard.safetensors", strength_model=1.0)
    return velocity(server, graph_of({"class_type": "LoraLoaderModelOnly", "inputs": inputs}))[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_format_gives_what_core_makes_of_the_standard_file(
    name: str, server: ComfyServer, loras: Path, plain: torch.Tensor, expected: torch.Tensor
) -> None:
    got, ran = velocity(server, graph_of(apply(f"{name}/a.safetensors")))
    assert f"all {NUM_MODULES} modules fit" in said(ran)
    assert relative(got, expected) <= EXACT < 0.05 < relative(plain, expected)


@pytest.mark.parametrize("kind", ("lokr", "loha", "dora", "diff"))
def test_other_kinds_under_names_core_does_not_know_give_the_same(
    kind: str, server: ComfyServer, loras: Path, plain: torch.Tensor
) -> None:
    got, ran = velocity(server, graph_of(apply(f"{kind} onetrainer/a.safetensors")))
    inputs = dict(lora_name=f"{kind} standard/a.safetensors", strength_model=1.0)
    by_core, _ = velocity(server, graph_of({"class_type": "LoraLoaderModelOnly", "inputs": inputs}))
    assert f"all {NUM_MODULES} modules fit" in said(ran)
    assert relative(got, by_core) <= EXACT < 1e-3 < relative(plain, by_core)


@pytest.mark.parametrize("loader", [None, *({"format": name} for name in FORMATS)])
def test_strength_0_is_the_base_model_bit_for_bit(server: ComfyServer, loras: Path, loader: dict | None) -> None:
    without, _ = velocity(server, graph_of(loader=loader))
    got, _ = velocity(server, graph_of(apply("standard.safetensors", strength=0.0), loader=loader))
    assert torch.equal(got, without)


def test_strength_is_linear_in_the_patch(server: ComfyServer, loras: Path, lora: Pairs) -> None:
    """Strength 0.6 of a LoRA is strength 1 of one with 0.6 times its weights; twice 0.3 is 0.6."""
    standard({module: (down, 0.6 * up) for module, (down, up) in lora.items()}).write(loras / "scaled.safetensors")
    scaled, _ = velocity(server, graph_of(apply("scaled.safetensors")))
    once, _ = velocity(server, graph_of(apply("standard.safetensors", strength=0.6)))
    twice, _ = velocity(server, graph_of(*[apply("standard.safetensors", strength=0.3)] * 2))
    assert relative(once, scaled) <= EXACT and relative(twice, scaled) <= EXACT


def test_a_part_at_0_is_a_lora_without_its_modules(server: ComfyServer, loras: Path, lora: Pairs) -> None:
    cases = {
        "attention": ".attention.", "mlp": ".feed_forward.", "early_blocks": "layers.0.", "late_blocks": "layers.3.",
    }  # fmt: skip
    for part, sign in cases.items():
        standard({module: pair for module, pair in lora.items() if sign not in module}).write(
            loras / "part.safetensors"
        )
        without, _ = velocity(server, graph_of(apply("part.safetensors")))
        (loras / "part.safetensors").rename(loras / f"without {part}.safetensors")
        got, _ = velocity(server, graph_of(apply("standard.safetensors", **{part: 0.0})))
        if part != "early_blocks":  # a third of 4 layers is not one layer: the first two
            assert relative(got, without) <= EXACT, part


def model_error(server: ComfyServer, quant_format: str) -> float:
    """How far the quantised model without a LoRA is from the same numbers in fp32: int8 rounds its inputs too."""
    full, _ = velocity(server, graph_of(loader={"format": quant_format, "dequantised": True}))
    return relative(velocity(server, graph_of(loader={"format": quant_format}))[0], full)


@pytest.mark.parametrize("quant_format", FORMATS)
@pytest.mark.parametrize("files", [("standard",), ("standard", "other")], ids=("one", "two"))
def test_bypass_on_quantised_weights_equals_merging_into_the_same_weights_in_full(
    quant_format: str, files: tuple[str, ...], server: ComfyServer, loras: Path
) -> None:
    """The reference holds the quantised numbers in fp32, so that merging rounds nothing; core's merge does round."""
    applied = [apply(f"{name}.safetensors", strength=0.8) for name in files]
    beside, ran = velocity(server, graph_of(*applied, loader={"format": quant_format}))
    assert f"weights of {NUM_MODULES} of its modules are quantised" in said(ran)
    merged, ran = velocity(server, graph_of(*applied, loader={"format": quant_format, "dequantised": True}))
    assert "quantised" not in said(ran)
    core_nodes = [
        {"class_type": "LoraLoaderModelOnly", "inputs": dict(lora_name=f"{name}.safetensors", strength_model=0.8)}
        for name in files
    ]
    rounded, _ = velocity(server, graph_of(*core_nodes, loader={"format": quant_format}))
    base, _ = velocity(server, graph_of(loader={"format": quant_format}))
    found = relative(beside, merged), relative(rounded, merged), relative(base, merged)
    print(f"{quant_format}, {len(files)}: beside {found[0]:.2g}, core's merge {found[1]:.2g}, no LoRA {found[2]:.2g}")
    assert found[0] <= 1e-4 + 1.5 * model_error(server, quant_format)
    assert found[0] < found[1] < found[2]


@pytest.mark.parametrize("kind", ("lokr", "loha", "dora"))
def test_other_kinds_are_computed_beside_quantised_weights_too(kind: str, server: ComfyServer, loras: Path) -> None:
    applied = apply(f"{kind} standard/a.safetensors", strength=0.8)
    beside, ran = velocity(server, graph_of(applied, loader={"format": "float8_e4m3fn"}))
    merged, _ = velocity(server, graph_of(applied, loader={"format": "float8_e4m3fn", "dequantised": True}))
    assert f"weights of {NUM_MODULES} of its modules are quantised" in said(ran)
    assert relative(beside, merged) <= 1e-4


def test_hooks_are_counted_against_modules_and_all_gone_afterwards(server: ComfyServer, loras: Path) -> None:
    loader = {"format": "int8_tensorwise"}
    applied = [apply("standard.safetensors"), apply("other.safetensors")]
    for num in (1, 2, 0):
        graph = graph_of(*applied[:num], loader=loader)
        last = graph.pop("9")["inputs"]["model"][0]
        graph["8"] = {"class_type": "PocketCountHooks", "inputs": {"model": [last, 0]}}
        counted = server.run(graph).output("8")
        assert (counted["hooks"], counted["hooked"]) == ([NUM_FUSED * num], [NUM_FUSED if num else 0])


def test_the_same_lora_twice_counts_twice_on_quantised_weights(server: ComfyServer, loras: Path) -> None:
    loader = {"format": "int8_tensorwise"}
    twice, _ = velocity(server, graph_of(*[apply("standard.safetensors", strength=0.4)] * 2, loader=loader))
    once, _ = velocity(server, graph_of(apply("standard.safetensors", strength=0.8), loader=loader))
    assert relative(twice, once) <= EXACT


def test_a_lora_for_more_layers_or_with_strangers_is_used_as_far_as_it_fits(
    server: ComfyServer, loras: Path, lora: Pairs, expected: torch.Tensor
) -> None:
    further = {module: pair for module, pair in lora.items() if "layers.3." in module}
    clones = {module.replace(".3.", ".7."): (down.clone(), up.clone()) for module, (down, up) in further.items()}
    layout = standard(lora | clones)
    layout.tensors |= {"lora_te_x.alpha": torch.ones(()), "what.is.this": torch.ones(1)}
    layout.write(loras / "deeper.safetensors")
    got, ran = velocity(server, graph_of(apply("deeper.safetensors")))
    assert relative(got, expected) <= EXACT
    for part in ("only 32 of 40 modules", "at least 8 layers", "this one has 4", "text encoder", "what.is.this"):
        assert part in said(ran)


def test_bad_files_stop_the_node_with_a_sentence(server: ComfyServer, loras: Path, lora: Pairs) -> None:
    standard(pairs(width_times=2)).write(loras / "wide.safetensors")
    flux = {f"lora_unet_double_blocks_0_img_attn_qkv.lora_{side}.weight": torch.ones(4, 4) for side in ("up", "down")}
    save_file(flux, loras / "flux.safetensors")
    nan = standard(lora)
    nan.tensors["diffusion_model.layers.0.attention.to_q.lora_B.weight"] = torch.full((288, 4), float("nan"))
    nan.write(loras / "nan.safetensors")
    (loras / "cut.safetensors").write_bytes((loras / "standard.safetensors").read_bytes()[:-9])
    (loras / "empty.safetensors").write_bytes(b"")
    cases = {"wide": "width 576", "flux": "Flux", "nan": "not finite", "cut": "cut off", "empty": "0 bytes"}
    for name, part in cases.items():
        ran = server.run(graph_of(apply(f"{name}.safetensors")))
        assert ran.status == "error" and part in ran.error and f"{name}.safetensors" in ran.error
    torch.save({}, loras / "old.pt")
    ran = server.run(graph_of(apply("old.pt")))
    assert "safetensors" in ran.error


def test_a_file_written_anew_under_its_old_name_is_read_again(server: ComfyServer, loras: Path, lora: Pairs) -> None:
    changing = loras / "changing.safetensors"
    standard(lora).write(changing)
    first, _ = velocity(server, graph_of(apply(changing.name)))
    standard({module: (down, -up) for module, (down, up) in lora.items()}).write(changing)
    second, _ = velocity(server, graph_of(apply(changing.name)))
    assert relative(second, first) > 0.05


def test_trigger_and_prefix_come_from_the_file(server: ComfyServer, loras: Path, lora: Pairs) -> None:
    layout: Layout = standard(lora)
    layout.metadata = {"modelspec.trigger_phrase": "ohwx 小雨"}
    layout.write(loras / "named.safetensors")
    graph = graph_of(apply("named.safetensors"))
    for node_id, slot in (("20", 1), ("21", 2)):
        graph[node_id] = {"class_type": "PreviewAny", "inputs": {"source": ["11", slot]}}
    ran = server.run(graph)
    assert ran.output("20")["text"] == ran.output("21")["text"] == ["ohwx 小雨"]


CONVERTED = (
    "onetrainer",
    "musubi converted",
    "diffusers",
    "raw peft with its config",
    "lokr onetrainer",
    "dora onetrainer",
)


@pytest.mark.parametrize("name", CONVERTED)
def test_a_converted_file_loads_in_cores_own_node_with_nothing_unmatched(
    name: str, server: ComfyServer, loras: Path
) -> None:
    inputs = {"lora_name": f"{name}/a.safetensors", "save_as": f"转 {name}"}
    ran = server.run({"7": {"class_type": "ConvertLoRA", "inputs": inputs}})
    assert f"转 {name}.safetensors" in said(ran, "7")
    already = len(server.log())
    by_core = dict(lora_name=f"转 {name}.safetensors", strength_model=1.0)
    got, _ = velocity(server, graph_of({"class_type": "LoraLoaderModelOnly", "inputs": by_core}))
    log = server.log()[already:]
    assert not any(word in log for word in ("lora key not loaded", "NOT LOADED", "ERROR", "shape"))
    before, _ = velocity(server, graph_of(apply(f"{name}/a.safetensors")))
    assert relative(got, before) <= 0.01  # bf16


def test_converting_the_same_file_again_makes_no_second_one(server: ComfyServer, loras: Path) -> None:
    for index, content in enumerate(("onetrainer", "onetrainer", "unet")):
        (loras / "again.safetensors").write_bytes((loras / content / "a.safetensors").read_bytes())
        graph: Graph = {
            "7": {"class_type": "ConvertLoRA", "inputs": {"lora_name": "again.safetensors", "save_as": " " * index}}
        }
        assert server.run(graph).status == "success"
    assert sorted(path.name for path in loras.glob("again_*")) == [
        "again_zimage.safetensors",
        "again_zimage_2.safetensors",
    ]
