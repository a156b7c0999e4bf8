"""The job file: the guide's own keys and values are taken, everything else is refused by name."""

import dataclasses
from pathlib import Path

import pytest

from trainer.cli.job import JobFile, job_from, read_job
from trainer.messages import UserError
from trainer.photos.cleaning.config import CleanConfig
from trainer.training.config import TrainConfig

GUIDE = """\
# 核心设置
model: Tongyi-MAI/Z-Image-Turbo
training_adapter: V2 (必需)
trigger_word: none (不必要)

# 性能设置
low_vram: false (RTX 5090 禁用)
quantization_transformer: none (强大 GPU)
quantization_text_encoder: none (强大 GPU)

# 对于性能较弱的 GPU:
# quantization_transformer: float8
# quantization_text_encoder: float8

# LoRA 配置
linear_rank: 64  # 对真实皮肤纹理至关重要
# 不要使用 16 或 32 - 结果会很差

# 训练计划
total_steps: 4000
save_every: 每 250 步
checkpoints_to_keep: 6-7 (步骤 2500-4000)

# 优化器设置
optimizer: adam8bit
learning_rate: 0.0002
weight_decay: 0.0001
timestep_type: sigmoid  # 重要!

# 数据集设置
training_resolution: 512  # 更高分辨率不会增加太多好处
sample_generation: false  # 禁用以节省时间
"""
MINE = {"photos": "photos", "subject": "Merlina"}


def job_in(tmp_path: Path, text: str, encoding: str = "utf-8") -> JobFile:
    path = tmp_path / "job.yaml"
    path.write_bytes(text.encode(encoding))
    return read_job(path)


def refusal(values: dict[str, str]) -> UserError:
    with pytest.raises(UserError) as refused:
        job_from({**MINE, **values})
    return refused.value


def test_the_guides_own_block_is_accepted_as_it_stands_and_is_the_default(tmp_path):
    job = job_in(tmp_path, GUIDE + "photos: ./photos\nsubject: Merlina\n")
    assert job == JobFile(photos="./photos", subject="Merlina")
    assert job.train_config == TrainConfig()


def test_two_lines_are_a_whole_job(tmp_path):
    job = job_in(tmp_path, "photos: ./photos\nsubject: Merlina\n")
    assert job.run_dir == Path("output/zimage_lora/Merlina")
    assert job.loras_dir == Path("output/loras")


def test_every_training_setting_can_be_written(tmp_path):
    config = TrainConfig(
        training_adapter="none", trigger_word="ohwx", linear_rank=16, total_steps=300, save_every=75,
        checkpoints_to_keep=4, optimizer="adamw", learning_rate=1e-3, weight_decay=0.0, timestep_type="weighted",
        training_resolution=128, batch_size=4, precision="fp32", seed=7,
    )  # fmt: skip
    written = dataclasses.asdict(config).items()
    lines = [f"{name}: {list(value) if isinstance(value, tuple) else value}" for name, value in written]
    assert job_in(tmp_path, "\n".join([*lines, "photos: p", "subject: S"])).train_config == config


def test_cleaning_is_set_by_an_indented_block(tmp_path):
    text = "photos: p\nsubject: S\nclean:\n  crop: report\n  longest_side_px: 768 (px)\n  borders: off\n  sharpen:\n"
    job = job_in(tmp_path, text)
    assert job.clean == CleanConfig(crop="report", longest_side_px=768, borders="off")
    assert job_in(tmp_path, "photos: p\nsubject: S\nclean:\n").clean == CleanConfig()


@pytest.mark.parametrize(
    ("clean", "key"),
    [
        ({"crops": "off"}, "settings.unknown"),
        ({"crop": "perhaps"}, "settings.choice"),
        ({"longest_side_px": "1"}, "settings.low"),
        ("off", "settings.kind"),
    ],
)
def test_a_mistake_in_the_cleaning_block_is_refused_by_name(clean, key):
    error = refusal({"clean": clean})
    assert error.message.key == key


@pytest.mark.parametrize(
    ("written", "nearest"),
    [("rank", "linear_rank"), ("total_step", "total_steps"), ("learningrate", "learning_rate"), ("Subject", "subject")],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(written, nearest):
    error = refusal({written: "1"})
    assert error.message.key == "settings.unknown"
    assert error.message.values["name"] == written and error.message.values["nearest"] == nearest


@pytest.mark.parametrize(
    ("name", "value", "lane"),
    [
        ("low_vram", "true", "manual"), ("quantization_transformer", "float8", "manual"), ("low_vram", "false", "auto"),
        ("quantization_transformer", "none", "auto"), ("quantization_text_encoder", "float8", "auto"),
    ],
)  # fmt: skip
def test_the_guides_memory_keys_speak_for_themselves(name, value, lane):
    """Whoever quantises or offloads by hand need not know the word lane."""
    assert job_from({"photos": "p", "subject": "Ada", name: value}).lane == lane


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"total_steps": "many"}, "settings.kind"),
        ({"total_steps": "0"}, "settings.low"),
        ({"learning_rate": "fast"}, "settings.kind"),
        ({"learning_rate": "nan"}, "settings.low"),
        ({"optimizer": "sgd"}, "settings.choice"),
        ({"low_vram": "perhaps"}, "settings.kind"),
        ({"photos": ""}, "cli.missing"),
        ({"subject": "~"}, "cli.missing"),
        ({"template": "a portrait"}, "captions.no_place_for_subject"),
        ({"model": "z_image_turbo_bf16.safetensors"}, "cli.no_encoders"),
    ],
)
def test_a_value_out_of_its_limits_is_refused_by_name(values, key):
    error = refusal(values)
    assert error.message.key == key
    assert next(iter(values)) in str(error)


@pytest.mark.parametrize("value", ["2e-4", "0.0002", "2.0e-04"])
def test_a_learning_rate_may_be_written_in_any_way(tmp_path, value):
    assert job_in(tmp_path, f"photos: p\nsubject: S\nlearning_rate: {value}").learning_rate == 2e-4


@pytest.mark.parametrize("name", ["007", "on", "1e5", "2024-01-01", "米拉", "Mila (school)"])
def test_names_stay_as_they_were_typed(tmp_path, name):
    job = job_in(tmp_path, f"photos: p\nsubject: {name}\nrun_name: {name}")
    assert (job.subject, job.run_name) == (name, name)


@pytest.mark.parametrize(
    ("written", "meant"), [("V2", "auto"), ("v2", "auto"), ("auto", "auto"), ("None", "none"), ("a/b.safetensors",) * 2]
)
def test_training_adapter_is_v2_a_file_or_none(written, meant):
    assert job_from({**MINE, "training_adapter": written}).training_adapter == meant


def test_a_single_file_takes_its_encoders_from_elsewhere():
    job = job_from({**MINE, "model": "turbo.safetensors", "encoders": "Tongyi-MAI/Z-Image-Turbo"})
    assert job.encoders_source == "Tongyi-MAI/Z-Image-Turbo"
    assert job_from({**MINE, "model": "a/folder"}).encoders_source == "a/folder"


@pytest.mark.parametrize("run_name", ["../up", "a/b", "a\\b", ".."])
def test_a_run_name_with_a_path_in_it_is_refused(run_name):
    with pytest.raises(UserError) as refused:
        _ = job_from({**MINE, "run_name": run_name}).run_dir
    assert refused.value.message.key == "files.bad_name"


@pytest.mark.parametrize(
    ("text", "encoding", "key"),
    [
        ("", "utf-8", "cli.no_keys"),
        ("- a\n- b\n", "utf-8", "cli.no_keys"),
        ('photos: "C:\\photos"\n', "utf-8", "cli.bad_yaml"),
        ("photos: 照片\n", "gb18030", "cli.not_utf8"),
        ("photos: [a, b]\nsubject: S\n", "utf-8", "settings.kind"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path, text, encoding, key):
    with pytest.raises(UserError) as refused:
        job_in(tmp_path, text, encoding)
    assert refused.value.message.key == key


def test_a_job_saved_by_windows_notepad_is_read(tmp_path):
    assert job_in(tmp_path, "photos: p\r\nsubject: S\r\n", "utf-8-sig").photos == "p"


def test_a_missing_job_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        read_job(tmp_path / "nowhere.yaml")
