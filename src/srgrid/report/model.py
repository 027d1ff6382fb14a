"""The networks of a run, read from the weights records of its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from srgrid.networks import told

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """How weights were trained, as far as their record says: empty, 0 or None where it does not."""

    training_set: str = ""
    degradation: Values = field(default_factory=dict)  # that made the LR images trained on: name and steps
    data: Values = field(default_factory=dict)
    recipe: Values = field(default_factory=dict)
    steps: int | None = None
    init: str = ""  # sha256 of the weights it started from
    trained_by: str = ""
    seconds: float | None = None
    device: str = ""


@dataclass(frozen=True)
class Model:
    """One weights file of a method at a scale: what it is, as far as its record says."""

    method: str
    scale: int
    file: str
    path: str = ""
    sha256: str = ""
    architecture: str = ""
    config: Values = field(default_factory=dict)
    parameters: int | None = None
    about: str = ""
    licence: str = ""
    citations: tuple[str, ...] = ()  # keys of references.bib
    training: Training = field(default_factory=Training)


def read_model(record: Values, trained_on: str = "") -> Model:
    """A weights record of provenance.json. `trained_on`: the run's own training set, where it trained these weights.

    What earlier records do not say of a network of a known architecture is taken from its table.
    """
    record = {**told(record.get("architecture"), record.get("config")), **record}
    parameters, citations = record.get("parameters"), record.get("citations")
    texts = {name: _text(record.get(name)) for name in ("path", "sha256", "architecture", "about", "licence")}
    return Model(
        method=str(record["method"]),
        scale=int(record["scale"]),
        file=str(record["file"]),
        config=_part(record, "config"),
        parameters=int(parameters) if isinstance(parameters, int | float) else None,
        citations=tuple(map(str, citations)) if isinstance(citations, list | tuple) else (),
        training=_training(record, trained_on),
        **texts,
    )


def _training(record: Values, trained_on: str) -> Training:
    made, data = _part(record, "provenance"), _part(record, "provenance", "data")
    measured = _part(record, "measured", "measured")
    steps, seconds = made.get("steps"), measured.get("seconds")
    return Training(
        training_set=_text(data.get("training_set")) or trained_on,
        # Training sets of earlier versions name none; they knew this one alone.
        degradation=_part(data, "degradation") or ({"name": "matlab"} if "sha256" in data else {}),
        data=data,
        recipe=_part(made, "recipe"),
        steps=steps if isinstance(steps, int) else None,
        init=_text(made.get("init")),
        trained_by=_text(made.get("trained_by")),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        device=_text(measured.get("device")),
    )


def _part(record: Values, *path: str) -> Values:
    """The object at a path of keys; empty if there is none."""
    for key in path:
        value = record.get(key)
        record = value if isinstance(value, Mapping) else {}
    return record


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def models(provenance: Values, order: Mapping[str, Sequence[Any]]) -> list[Model]:
    """One for each method and scale whose weights are recorded, in the order of the run."""
    config = _part(provenance, "config")
    given, trained_on = _part(config, "weights"), "+".join(map(str, _part(config, "train").get("images") or []))
    records = {(r["method"], r["scale"]): r for r in _part(provenance, "weights").values()}
    keys = [(method, scale) for method in order["method"] for scale in order["scale"]]
    return [read_model(records[key], "" if key[0] in given else trained_on) for key in keys if key in records]
