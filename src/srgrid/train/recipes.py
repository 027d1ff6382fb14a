"""Training recipes as plain values. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints

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

    def identity(self) -> dict[str, Any]:
        """The values that decide which weights come out; the rest (threads, logging) may change on resuming."""
        silent = {"device", "threads", "checkpoint_every", "log_every", "tensorboard", "dtype"}
        return {key: value for key, value in asdict(self).items() if key not in silent}


def _check(config: TrainConfig) -> None:
    for field, hint in get_type_hints(TrainConfig).items():
        choices = get_args(hint)
        if choices and all(isinstance(c, str) for c in choices) and getattr(config, field) not in choices:
            raise SrgridError(f"training option {field}: {getattr(config, field)!r} is not one of {', '.join(choices)}")
    budgets = [b for b in (config.steps, config.minutes, config.epochs) if b is not None]
    if len(budgets) != 1 or budgets[0] <= 0:
        raise SrgridError("training budget: give exactly one of steps, minutes and epochs, and a positive number")
    if config.epochs is not None and config.sampling != "five-crop":
        raise SrgridError("training option epochs: only five-crop sampling has epochs; give steps or minutes")
    for field in ("batch", "patch", "validate_every", "checkpoint_every", "log_every"):
        if getattr(config, field) < 1:
            raise SrgridError(f"training option {field}: must be at least 1")
    for field in ("lr", "weight_decay", "clip", "held_out", "threads", "seed"):
        if getattr(config, field) < 0:
            raise SrgridError(f"training option {field}: must not be negative")
    if not (0 <= config.warmup < 1 and 0 <= config.ema < 1):
        raise SrgridError("training options warmup and ema: must lie in 0..1 (1 excluded)")


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
    if unknown := sorted(changes.keys() - {field.name for field in fields(TrainConfig)}):
        raise SrgridError(f"training option {unknown[0]!r}: unknown")
    if budget := {"steps", "minutes", "epochs"} & changes.keys():
        changes |= dict.fromkeys({"steps", "minutes", "epochs"} - budget)
    if "decay_at" in changes:
        changes["decay_at"] = tuple(changes["decay_at"])
    try:
        return replace(RECIPES[name], **changes)
    except TypeError as error:
        raise SrgridError(f"training options: {error}") from None
