"""Every setting is told once; files that repeat it are written from there."""

import importlib.util
from pathlib import Path

import pytest
import yaml

from srgrid.config import check
from srgrid.configuration import Config, defaults
from srgrid.settings import Options, choices_of, schema, told
from srgrid.train import RECIPES, TrainConfig, recipe

ROOT = Path(__file__).resolve().parent.parent
RECORDS = [Config, Options, TrainConfig]


def tool():
    spec = importlib.util.spec_from_file_location("settings_tool", ROOT / "tools/settings.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", ["config.yaml", "workflow/schemas/config.schema.yaml", "docs/settings.md"])
def test_what_is_written_from_the_settings_is_up_to_date(name):
    assert (ROOT / name).read_text() == tool().texts()[name], "run python tools/settings.py"


def test_the_defaults_are_those_of_config_yaml_and_valid():
    assert yaml.safe_load((ROOT / "config.yaml").read_text()) == defaults()
    check(defaults(), ROOT / "workflow/schemas/config.schema.yaml")


@pytest.mark.parametrize("record", RECORDS)
def test_every_setting_has_a_meaning(record):
    for name, one in told(record).items():
        assert one.metadata["about"].endswith((".", "}", "]", "...", "safetensors")), name


def test_precision_is_the_same_three_words_everywhere():
    words = ("auto", "fp32", "bf16")
    assert choices_of(Options)["precision"] == choices_of(TrainConfig)["precision"] == words
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    assert source.count('"auto", "fp32", "bf16"') == 1
    assert schema(Config)["properties"]["compute"]["properties"]["precision"] == {"enum": list(words)}


def test_which_recipes_take_a_gpu_follows_from_their_budget():
    assert {name for name, made in RECIPES.items() if made.takes_a_gpu} == {"full", "rcan-it", "rcan-paper", "card"}
    assert not recipe("full", steps=12).takes_a_gpu
