"""Training recipes as plain values. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from srgrid.errors import SrgridError


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a model is trained. Exactly one of steps, minutes and epochs is the budget."""

    steps: int | None = None
    minutes: float | None = None  # wall time of training itself, start-up included, over all interruptions
    epochs: int | None = None  # passes over the crops; only with five-crop sampling

    batch: int = 16  # over all processes
    patch: int = 48  # side of the LR patch in pixels
    sampling: Literal["area", "five-crop"] = "area"  # every position of the set equally likely; or one patch a crop
    augment: bool = True  # the 8 flips and quarter turns

    optimiser: Literal["adam", "adamw", "muon"] = "adam"  # muon: Adam for what is no matrix
    lr: float = 1e-3
    weight_decay: float = 0.0  # adamw only
    schedule: Literal["cosine", "step"] = "cosine"
    warmup: float = 0.02  # share of the budget over which lr rises from 0
    decay_at: tuple[float, ...] = (0.8,)  # step schedule: shares of the budget after which lr is multiplied ...
    decay_by: float = 0.1  # ... by this
    clip: float = 0.5  # largest norm of the gradient; 0 = off
    ema: float = 0.999  # decay of the averaged weights that are validated and exported; 0 = off

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    compile: Literal["auto", "on", "off"] = "auto"
    device: str = "auto"
    threads: int = 0  # CPU threads; 0 = as many as torch takes by itself

    seed: int = 0
    held_out: int = 8  # images of the pack kept for validation, evenly spaced
    validate_every: int = 500  # steps
    checkpoint_every: int = 500  # steps
    log_every: int = 50  # steps
    export: Literal["last", "best"] = "last"  # best: by PSNR on the held-out images
    dtype: Literal["fp32", "fp16"] = "fp32"  # of the exported weights
    tensorboard: bool = True

    def __post_init__(self) -> None:
        _check(self)

    def identity(self, precision: str | None = None) -> dict[str, Any]:
        """The values that decide which weights come out; the rest may change on resuming.

        precision: what "auto" means here, fp32 or bf16.
        `compile` and `channels_last` change the order of sums, and so the last bits of a step, as `threads` and
        `device` do; the training stays the same one, and months of it are not to be thrown away for that.
        """
        silent = {"device", "threads", "checkpoint_every", "log_every", "tensorboard", "dtype", *_ROUNDING}
        if self.export != "best":
            silent.add("validate_every")
        if self.optimiser != "adamw":
            silent.add("weight_decay")
        if self.schedule != "step":
            silent |= {"decay_at", "decay_by"}
        kept = {key: value for key, value in asdict(self).items() if key not in silent}
        return kept | {"precision": precision or self.precision}


_ROUNDING = ("compile", "channels_last")

# What earlier versions counted among the values that decide, whatever the recipe.
_FORMERLY = {*_ROUNDING, "validate_every", "weight_decay", "decay_at", "decay_by"}


def as_now(found: Any, wanted: Mapping[str, Any]) -> Any:
    """A recipe's identity as an earlier version recorded it, in the form that `wanted` has.

    What no longer counts is left out, and "auto" stands for the precision wanted: which of the two it meant was not
    written down.
    """
    if not isinstance(found, dict):
        return found
    kept = {key: value for key, value in found.items() if key in wanted or key not in _FORMERLY}
    return kept | ({"precision": wanted.get("precision")} if kept.get("precision") == "auto" else {})


# Least and largest value. A seed fits torch's generators; the other bounds only tell slips of the
# hand from settings.
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("steps", "epochs", "validate_every", "checkpoint_every", "log_every"), (1, 10**12)),
    **dict.fromkeys(("batch", "patch"), (1, 2**16)),
    **dict.fromkeys(("lr", "weight_decay", "clip"), (0, 1e38)),  # fp32 ends at 3.4e38
    "minutes": (0, 10**9),
    "held_out": (0, 10**6),
    "threads": (0, 4096),
    "seed": (0, 2**63 - 1),
    "warmup": (0, 1),
    "ema": (0, 1),
    "decay_at": (0, 1),
    "decay_by": (0, 1),
}


def _check(config: TrainConfig) -> None:
    """Raise SrgridError with all that is wrong."""
    hints = get_type_hints(TrainConfig)
    typed = {field: _wrong_type(getattr(config, field), hint) for field, hint in hints.items()}
    faults = [
        f"training option {field}: {_shown(getattr(config, field))} is not {expected}"
        for field, expected in typed.items()
        if expected
    ]
    faults += [fault for field in _RANGES if not typed[field] for fault in _out_of_range(config, field)]
    budgets = [b for b in (config.steps, config.minutes, config.epochs) if b is not None]
    if len(budgets) != 1 or budgets == [0]:
        faults.append("training budget: give exactly one of steps, minutes and epochs, and a positive number")
    if config.epochs is not None and config.sampling != "five-crop":
        faults.append("training option epochs: only five-crop sampling has epochs; give steps or minutes")
    if config.export == "best" and config.held_out == 0:
        faults.append("training option export: best is chosen on held-out images; set held_out, or export last")
    if faults:
        raise SrgridError("\n".join(faults))


def _wrong_type(value: Any, hint: Any) -> str | None:
    """What a setting is expected to be, if `value` is not that. Truth values are no numbers, nor is text."""
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        return None if isinstance(value, str) and value in choices else f"one of {', '.join(choices)}"
    if get_origin(hint) is tuple:
        good = isinstance(value, tuple) and value and all(_wrong_type(item, float) is None for item in value)
        return None if good else "a list of numbers"
    if NoneType in choices:
        return None if value is None else _wrong_type(value, choices[0])
    if hint is float:
        good = type(value) in (int, float) and abs(value) < math.inf
        return None if good else "a finite number"
    names = {int: "a whole number", bool: "true or false", str: "text"}
    return None if type(value) is hint else names[hint]


def _out_of_range(config: TrainConfig, field: str) -> list[str]:
    given = getattr(config, field)
    low, high = _RANGES[field]
    values = given if isinstance(given, tuple) else (given,)
    if any(value is not None and value < low for value in values):
        rule = "not be negative" if low == 0 else f"be at least {low}"
    elif field in ("warmup", "ema") and given >= high:
        rule = "be below 1 (shares lie in 0..1, 1 excluded)"
    elif any(value is not None and value > high for value in values):
        rule = f"be at most {high}"
    else:
        return []
    return [f"training option {field}: must {rule}, {_shown(given)} is wrong"]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


RECIPES: dict[str, TrainConfig] = {
    # A small model in half an hour to an hour and a half of one CPU core.
    "default": TrainConfig(steps=4500, batch=8, optimiser="muon"),
    "quick": TrainConfig(steps=1500, batch=8, optimiser="muon", validate_every=250, checkpoint_every=250),
    # The full 10 x 20 x 64 networks: a rate that so deep a network bears, and the steps it needs.
    "full": TrainConfig(steps=300_000, lr=2e-4, warmup=0.01, validate_every=2000, checkpoint_every=1000),
    # The RCAN paper's (Zhang et al. 2018): 1 M steps, the rate halved every 200 k.
    "rcan-paper": TrainConfig(
        steps=1_000_000, lr=1e-4, schedule="step", decay_at=(0.2, 0.4, 0.6, 0.8), decay_by=0.5, warmup=0.0, clip=0.0,
        ema=0.0, validate_every=2000, checkpoint_every=1000,
    ),
    # Seconds on two cores: the embedded demo.
    "demo": TrainConfig(
        steps=900, batch=8, patch=16, lr=6e-3, warmup=0.05, ema=0.99, precision="fp32", compile="off",
        held_out=0, checkpoint_every=300, tensorboard=False, threads=1,
    ),
    # The model card's own: super-image's Trainer on augment_five_crop (lr falls to a tenth after 4/5 of 1000 epochs;
    # the StepLR it also sets up is overwritten at the start of every epoch).
    "card": TrainConfig(
        epochs=1000, patch=64, sampling="five-crop", lr=1e-4, schedule="step", warmup=0.0, clip=0.0, ema=0.0,
        export="best", validate_every=1000, checkpoint_every=1000,
    ),
}  # fmt: skip


def recipe(name: str, **changes: Any) -> TrainConfig:
    """A named recipe with some values changed (None = leave as it is); a new budget replaces the recipe's.

    Raises SrgridError for an unknown recipe, option or value.
    """
    if name not in RECIPES:
        raise SrgridError(f"recipe {name!r}: unknown; known recipes are {', '.join(RECIPES)}")
    changes = {key: value for key, value in changes.items() if value is not None}
    known = [field.name for field in fields(TrainConfig)]
    if unknown := sorted(changes.keys() - set(known), key=str):
        names = ", ".join(map(repr, unknown))
        raise SrgridError(f"training option {names}: unknown; known options are {', '.join(known)}")
    if budget := {"steps", "minutes", "epochs"} & changes.keys():
        changes |= dict.fromkeys({"steps", "minutes", "epochs"} - budget)
    if isinstance(changes.get("decay_at"), list):
        changes["decay_at"] = tuple(changes["decay_at"])
    return replace(RECIPES[name], **changes)
