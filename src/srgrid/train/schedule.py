"""Learning rate and patch as functions of the share of the budget that is used up."""

from __future__ import annotations

import math

from srgrid.train.recipes import TrainConfig


def lr_at(config: TrainConfig, progress: float) -> float:
    """Learning rate at `progress` in 0..1: a linear rise, then a cosine to 0 or a fall in steps."""
    if progress < config.warmup:
        return config.lr * progress / config.warmup
    if config.schedule == "step":
        return config.lr * config.decay_by ** sum(progress >= share for share in config.decay_at)
    share = min(1.0, (progress - config.warmup) / (1 - config.warmup))
    return config.lr * 0.5 * (1 + math.cos(math.pi * share))


def patch_at(config: TrainConfig, progress: float) -> int:
    """Side of the LR patches at `progress`."""
    return config.last_patch if config.last_patch and progress >= 1 - config.last_share else config.patch
