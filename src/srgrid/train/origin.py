"""What decides the weights that a training ends in: what their header says, and by what a state folder is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from srgrid.data.pack import Pack
from srgrid.models.architecture import Computed, written
from srgrid.models.network import Network
from srgrid.models.run import computed_in
from srgrid.records import file_digest
from srgrid.train.checkpoint import State, tell
from srgrid.train.recipes import TrainConfig
from srgrid.train.team import Team


def origin_of(
    network: Network, pack: Pack, held_out: list[int], recipe: TrainConfig, init: Path | None
) -> dict[str, Any]:
    """What decides the weights, and goes into their header."""
    return {
        "model": network.name,
        "config": written(network.config),
        "recipe": recipe.identity(),
        "data": {
            "sha256": pack.digest,
            "images": len(pack),
            "training_set": "+".join(dict.fromkeys(entry.name.split("/")[0] for entry in pack.entries)),
            "held_out": [pack.entries[i].name for i in held_out],
            "degradation": pack.degradation,
        },
        "init": None if init is None else file_digest(init),
    }


def identity_of(origin: dict[str, Any]) -> dict[str, Any]:
    """What tells whose a state folder is: of "matlab", the one degradation that earlier versions knew, as they did."""
    data = origin["data"]
    kept = {key: value for key, value in data.items() if key != "degradation" or value["name"] != "matlab"}
    return origin | {"data": kept}


def settle_precision(recipe: TrainConfig, network: Network, state: State, team: Team) -> TrainConfig:
    """The recipe with "auto" resolved, which goes into the state's identity: for all processes as process 0 sees it.

    A training that was begun under the other precision, perhaps on another machine, goes on under that one: "auto"
    asks for none.
    """
    precisions: tuple[Computed, Computed] = ("fp32", "bf16")
    wanted = computed_in(network, team.device, recipe.precision)
    identities = {p: state.identity | {"recipe": recipe.identity(p)} for p in precisions}
    other = next(p for p in precisions if p != wanted)
    moved = team.leads and not state.holds(identities[wanted]) and state.holds(identities[other])
    if recipe.precision == "auto" and moved:
        tell(f"{state.folder}: was begun in {other}; going on in it")
        wanted = other
    (chosen,) = team.agree(float(precisions.index(wanted)))
    state.identity = json.loads(json.dumps(identities[precisions[int(chosen)]]))
    return replace(recipe, precision=precisions[int(chosen)])
