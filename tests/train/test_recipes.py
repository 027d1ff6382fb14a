"""Recipes and the learning rate."""

import json
import subprocess
import sys

import pytest

from srgrid.errors import SrgridError
from srgrid.train import RECIPES, recipe
from srgrid.train.schedule import lr_at


def test_a_new_budget_replaces_the_recipes_own():
    changed = recipe("default", minutes=9, lr=None)
    assert (changed.steps, changed.minutes, changed.lr) == (None, 9, RECIPES["default"].lr)
    assert json.loads(json.dumps(changed.identity()))["minutes"] == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lrr": 1}, "training option 'lrr': unknown"),
        ({"steps": 10, "minutes": 1}, "exactly one of"),
        ({"steps": 0}, "exactly one of"),
        ({"schedule": "linear"}, "schedule: 'linear' is not one of cosine, step"),
        ({"precision": "fp8"}, "precision"),
        ({"batch": 0}, "batch: must be at least 1"),
        ({"seed": -1}, "seed: must not be negative"),
        ({"warmup": 1.5}, "warmup"),
        ({"epochs": 5}, "only five-crop sampling has epochs"),
        ({"candidates": "8", "sampling": "five-crop"}, "candidates: '8' is not a whole number"),
        ({"candidates": 0}, "candidates: must be at least 1"),
        ({"candidates": 2, "sampling": "five-crop"}, "candidates: only area sampling draws several"),
    ],
)
def test_wrong_values_are_named(changes, message):
    with pytest.raises(SrgridError, match=message):
        recipe("default", **changes)


def test_unknown_recipe():
    with pytest.raises(SrgridError, match="known recipes are default, quick, full, rcan-it, rcan-paper, demo, card"):
        recipe("fast")


def test_cosine_rises_and_ends_at_zero():
    config = recipe("default", warmup=0.1, lr=2.0)
    values = [lr_at(config, i / 1000) for i in range(1001)]
    assert values[0] == 0
    assert max(values) == values[100] == 2.0
    assert values[50] == pytest.approx(1.0)
    assert values[550] == pytest.approx(1.0, abs=1e-6)
    assert values[1000] == pytest.approx(0, abs=1e-12)
    assert values[100:] == sorted(values[100:], reverse=True)


def test_the_cards_recipe_falls_to_a_tenth_after_four_fifths():
    config = RECIPES["card"]
    assert (config.batch, config.patch, config.lr, config.epochs, config.optimiser) == (16, 64, 1e-4, 1000, "adam")
    assert lr_at(config, 0) == lr_at(config, 0.799) == 1e-4
    assert lr_at(config, 0.8) == lr_at(config, 1) == pytest.approx(1e-5)


def test_recipes_do_not_import_torch():
    code = "import sys, srgrid.train; srgrid.train.recipe('demo'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
