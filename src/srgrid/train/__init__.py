"""Training. `train(...)` is the one entry; recipes are plain values. torch is imported only when training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from srgrid.train.recipes import RECIPES, TrainConfig, recipe
from srgrid.train.stop import Interrupted

__all__ = ["RECIPES", "Interrupted", "TrainConfig", "recipe", "train"]


def train(
    model_name: str,
    scale: int,
    pack_path: Path,
    out_path: Path,
    state_dir: Path,
    recipe: TrainConfig,
    init: Path | None = None,
) -> dict[str, Any]:
    """See `srgrid.train.loop.train`."""
    from srgrid.train import loop

    return loop.train(model_name, scale, pack_path, out_path, state_dir, recipe, init)
