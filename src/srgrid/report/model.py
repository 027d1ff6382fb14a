"""The networks of a run, read from the weights records of its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srgrid.models.history import Model, Values, part, read_model


def models(provenance: Values, order: Mapping[str, Sequence[Any]]) -> list[Model]:
    """One for each method and scale whose weights are recorded, in the order of the run."""
    config = part(provenance, "config")
    given, trained_on = part(config, "weights"), "+".join(map(str, part(config, "train").get("images") or []))
    records = {(r["method"], r["scale"]): r for r in part(provenance, "weights").values()}
    keys = [(method, scale) for method in order["method"] for scale in order["scale"]]
    return [read_model(records[key], "" if key[0] in given else trained_on) for key in keys if key in records]
