"""Settings: a value out of its limits and a key that does not exist are refused by name, before anything begins."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import pytest

from trainer.messages import UserError
from trainer.photos.cleaning.config import CleanConfig
from trainer.settings import check_settings, config_from, setting
from trainer.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Oven:
    """A config with a setting of every kind."""

    degrees: float = setting(180.0, "How hot.", low=0.0, high=300.0)
    minutes: int = setting(30, "How long.", low=1, high=600)
    mode: str = setting("fan", "What heats.", choices=("fan", "grill"))
    light: bool = setting(True, "Whether the lamp is on.")

    def __post_init__(self) -> None:
        check_settings(self)


def refusal(**values: object) -> str:
    """The key of the sentence with which these values are refused."""
    with pytest.raises(UserError) as refused:
        Oven(**values)
    assert str(next(iter(values))) in str(refused.value)
    return refused.value.message.key


@pytest.mark.parametrize("config", [Oven, CleanConfig, TrainConfig])
def test_defaults_keep_their_own_rules_and_say_what_they_mean(config: type) -> None:
    config()
    assert all(len(field.metadata["doc"]) > 5 for field in dataclasses.fields(config))


@pytest.mark.parametrize("degrees", [0.0, 300.0, 180])
def test_limits_are_inclusive_and_whole_numbers_serve_as_float(degrees: float) -> None:
    assert type(Oven(degrees=degrees).degrees) is float


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("degrees", -0.1, "settings.low"),
        ("degrees", 300.1, "settings.high"),
        ("degrees", math.nan, "settings.low"),
        ("degrees", math.inf, "settings.high"),
        ("degrees", "180", "settings.kind"),
        ("minutes", 0, "settings.low"),
        ("minutes", 601, "settings.high"),
        ("minutes", 30.0, "settings.kind"),
        ("minutes", True, "settings.kind"),
        ("minutes", None, "settings.kind"),
        ("mode", "microwave", "settings.choice"),
        ("mode", "", "settings.choice"),
        ("light", 1, "settings.kind"),
        ("light", "yes", "settings.kind"),
    ],
)
def test_value_out_of_its_limits_is_refused_by_name(name: str, value: object, key: str) -> None:
    assert refusal(**{name: value}) == key


def test_choices_are_listed_where_one_is_refused() -> None:
    with pytest.raises(UserError, match="fan, grill"):
        Oven(mode="microwave")


@pytest.mark.parametrize(("typed", "meant"), [("degree", "degrees"), ("minuets", "minutes"), ("Mode", "mode")])
def test_unknown_key_is_refused_with_the_nearest_known_one(typed: str, meant: str) -> None:
    with pytest.raises(UserError) as refused:
        config_from(Oven, {typed: 1})
    assert refused.value.message.key == "settings.unknown" and refused.value.message.values["nearest"] == meant
    assert "degrees, minutes, mode, light" in str(refused.value)


def test_config_from_a_mapping_is_the_config() -> None:
    config = Oven(degrees=200.0, minutes=10)
    assert config_from(Oven, dataclasses.asdict(config)) == config
    assert config_from(Oven, {}) == Oven()
