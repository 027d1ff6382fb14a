"""Training recipes as plain values. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from srgrid.errors import SrgridError
from srgrid.settings import Precision, setting, told

_COUNT = {"minimum": 1, "maximum": 10**12}
_SIDE = {"minimum": 1, "maximum": 2**16}
_POSITIVE = {"minimum": 0, "maximum": 1e38}  # fp32 ends at 3.4e38
_SHARE = {"minimum": 0, "maximum": 1}
_BELOW_1 = {"minimum": 0, "exclusiveMaximum": 1}


# A seed fits torch's generators; most other bounds only tell slips of the hand from settings.
@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a model is trained. Exactly one of steps, minutes and epochs is the budget."""

    steps: int | None = setting(None, "Budget in steps.", **_COUNT)
    minutes: float | None = setting(
        None,
        "Budget in minutes of wall time of training itself, start-up but not compiling included, over all "
        "interruptions.",
        minimum=0,
        maximum=10**9,
    )
    epochs: int | None = setting(None, "Budget in passes over the crops; only with five-crop sampling.", **_COUNT)

    warm_share: float = setting(
        1.0,
        "Share of the budget that a training which starts from other weights (init) takes.",
        minimum=0.01,
        maximum=1,
    )

    batch: int = setting(16, "Patches of a step, over all processes.", **_SIDE)
    patch: int = setting(48, "Side of the LR patch in pixels.", **_SIDE)
    last_patch: int = setting(0, "Its side in the last part of the budget; 0: the same.", minimum=0, maximum=2**16)
    last_share: float = setting(0.1, "How much of the budget that last part is.", **_SHARE)
    sampling: Literal["area", "five-crop"] = setting(
        "area", "area: every position of the set is equally likely; five-crop: one patch a crop."
    )
    candidates: int = setting(
        1,
        "Patches drawn for each place of a batch; of these the one with the most detail in LR is taken.",
        minimum=1,
        maximum=1024,
    )
    augment: bool = setting(True, "The 8 flips and quarter turns.")

    activation: Literal["relu", "silu"] = setting("relu", "Of the network's residual blocks.")
    optimiser: Literal["adam", "adamw", "lamb", "muon"] = setting("adam", "muon: Adam for what is no matrix.")
    lr: float = setting(1e-3, "Learning rate at its highest.", **_POSITIVE)
    weight_decay: float = setting(0.0, "adamw and lamb only.", **_POSITIVE)
    schedule: Literal["cosine", "step"] = setting("cosine", "How the learning rate falls.")
    warmup: float = setting(0.02, "Share of the budget over which lr rises from 0.", **_BELOW_1)
    decay_at: tuple[float, ...] = setting(
        (0.8,), "Step schedule: shares of the budget after which lr is multiplied by decay_by.", **_SHARE
    )
    decay_by: float = setting(0.1, "Step schedule: what lr is multiplied by.", **_SHARE)
    clip: float = setting(0.5, "Largest norm of the gradient; 0: off.", **_POSITIVE)
    ema: float = setting(0.999, "Decay of the averaged weights that are validated and exported; 0: off.", **_BELOW_1)

    precision: Precision = setting("auto", "What training computes in; auto: bf16 where the hardware does.")
    tf32: bool = setting(
        False, "Let a GPU compute fp32 convolutions and matrix products in TF32: faster, with 10 bits of mantissa."
    )
    channels_last: bool = setting(True, "Memory layout; moves the last bits alone.")
    compile: Literal["auto", "on", "off"] = setting(
        "auto", "torch.compile; auto: on a GPU, and on a CPU where the training is long enough to gain by it."
    )
    device: str = setting("auto", "auto, cpu, cuda or cuda:N. In the workflow: compute.device.")
    threads: int = setting(
        0,
        "CPU threads; 0: as many as torch takes by itself. In the workflow: compute.threads.",
        minimum=0,
        maximum=4096,
    )

    seed: int = setting(
        0, "Fixes initial weights, crops and augmentation. In the workflow: train.seed.", minimum=0, maximum=2**63 - 1
    )
    held_out: int = setting(8, "Images of the pack kept for validation, evenly spaced.", minimum=0, maximum=10**6)
    validate_every: int = setting(500, "Steps between validations.", **_COUNT)
    checkpoint_every: int = setting(500, "Steps between checkpoints.", **_COUNT)
    log_every: int = setting(50, "Steps between lines of the log.", **_COUNT)
    export: Literal["last", "best"] = setting(
        "last", "Which weights are written; best: by PSNR on the held-out images."
    )
    dtype: Literal["fp32", "fp16"] = setting("fp32", "Of the exported weights.")
    tensorboard: bool = setting(True, "Write TensorBoard files into the state folder.")

    def __post_init__(self) -> None:
        _check(self)

    def identity(self, precision: str | None = None) -> dict[str, Any]:
        """The values that decide which weights come out; the rest may change on resuming.

        precision: what "auto" means here, fp32 or bf16.
        `compile`, `channels_last` and `tf32` change the order of sums, and so the last bits of a step, as `threads` and
        `device` do; the training stays the same one, and months of it are not to be thrown away for that.
        """
        silent = {"device", "threads", "checkpoint_every", "log_every", "tensorboard", "dtype", *_ROUNDING}
        if self.export != "best":
            silent.add("validate_every")
        if self.optimiser not in ("adamw", "lamb"):
            silent.add("weight_decay")
        if not self.last_patch:
            silent |= {"last_patch", "last_share"}
        silent |= {name for name in _LATER if getattr(self, name) == getattr(TrainConfig, name)}
        if self.schedule != "step":
            silent |= {"decay_at", "decay_by"}
        kept = {key: value for key, value in asdict(self).items() if key not in silent}
        return kept | {"precision": precision or self.precision}

    @property
    def patches(self) -> tuple[int, ...]:
        """The sides of LR patches that it trains on."""
        return tuple(dict.fromkeys((self.patch, self.last_patch or self.patch)))

    def warm(self) -> TrainConfig:
        """The same with the budget of a training that starts from other weights."""
        changes: dict[str, Any] = {"warm_share": 1.0}
        for name in ("steps", "epochs", "minutes"):
            whole = getattr(self, name)
            changes[name] = max(1, round(whole * self.warm_share)) if type(whole) is int else whole
        if self.minutes is not None:
            changes["minutes"] = self.minutes * self.warm_share
        return replace(self, **changes)

    @property
    def takes_a_gpu(self) -> bool:
        """Whether the budget is one that takes a CPU weeks or months."""
        return (self.steps or 0) >= 10**5 or (self.epochs or 0) >= 100


# Settings that came later, which earlier records lack: at their defaults they say nothing.
_LATER = ("activation", "warm_share", "candidates")
_ROUNDING = ("compile", "channels_last", "tf32")

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


def _check(config: TrainConfig) -> None:
    """Raise SrgridError with all that is wrong."""
    hints = get_type_hints(TrainConfig)
    typed = {field: _wrong_type(getattr(config, field), hint) for field, hint in hints.items()}
    faults = [
        f"training option {field}: {_shown(getattr(config, field))} is not {expected}"
        for field, expected in typed.items()
        if expected
    ]
    rules = {name: one.metadata["rule"] for name, one in told(TrainConfig).items() if not typed[name]}
    faults += [
        fault for name, rule in rules.items() if rule for fault in _out_of_range(name, getattr(config, name), rule)
    ]
    budgets = [b for b in (config.steps, config.minutes, config.epochs) if b is not None]
    if len(budgets) != 1 or budgets == [0]:
        faults.append("training budget: give exactly one of steps, minutes and epochs, and a positive number")
    if config.candidates != 1 and config.sampling != "area":
        faults.append("training option candidates: only area sampling draws several; give 1, or sampling area")
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


def _out_of_range(name: str, given: Any, rule: Mapping[str, float]) -> list[str]:
    values = [value for value in (given if isinstance(given, tuple) else (given,)) if value is not None]
    low, high, below = rule["minimum"], rule.get("maximum", math.inf), rule.get("exclusiveMaximum", math.inf)
    if any(value < low for value in values):
        must = "not be negative" if low == 0 else f"be at least {low}"
    elif any(value >= below for value in values):
        must = f"be below {below} (shares lie in 0..1, 1 excluded)"
    elif any(value > high for value in values):
        must = f"be at most {high}"
    else:
        return []
    return [f"training option {name}: must {must}, {_shown(given)} is wrong"]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


RECIPES: dict[str, TrainConfig] = {
    # A small model in half an hour to an hour and a half of one CPU core.
    "default": TrainConfig(steps=4500, batch=8, optimiser="muon"),
    "quick": TrainConfig(steps=1500, batch=8, optimiser="muon", validate_every=250, checkpoint_every=250),
    # The full 10 x 20 x 64 networks in eight hours of a fast GPU for three scales, by reckoning (docs/training.md).
    "full": TrainConfig(
        steps=250_000, batch=64, last_patch=64, warm_share=0.5, lr=4e-4, warmup=0.01, validate_every=2000,
        checkpoint_every=1000,
    ),
    # RCAN-it's (Lin et al. 2022): the same network with SiLU, trained longer, in large batches, on larger patches last.
    "rcan-it": TrainConfig(
        steps=160_000, batch=256, last_patch=64, activation="silu", optimiser="lamb", lr=3.2e-3, warmup=0.01, clip=0.0,
        validate_every=2000, checkpoint_every=1000,
    ),
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
    known = list(told(TrainConfig))
    if unknown := sorted(changes.keys() - set(known), key=str):
        names = ", ".join(map(repr, unknown))
        raise SrgridError(f"training option {names}: unknown; known options are {', '.join(known)}")
    if budget := {"steps", "minutes", "epochs"} & changes.keys():
        changes |= dict.fromkeys({"steps", "minutes", "epochs"} - budget)
    if isinstance(changes.get("decay_at"), list):
        changes["decay_at"] = tuple(changes["decay_at"])
    return replace(RECIPES[name], **changes)
