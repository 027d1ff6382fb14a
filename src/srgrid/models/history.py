"""What is on record of weights, for cards: what network they are of, and how they were trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        config=part(record, "config"),
        parameters=int(parameters) if isinstance(parameters, int | float) else None,
        citations=tuple(map(str, citations)) if isinstance(citations, list | tuple) else (),
        training=_training(record, trained_on),
        **texts,
    )


def _training(record: Values, trained_on: str) -> Training:
    made, data = part(record, "provenance"), part(record, "provenance", "data")
    measured = part(record, "measured", "measured")
    steps, seconds = made.get("steps"), measured.get("seconds")
    return Training(
        training_set=_text(data.get("training_set")) or trained_on,
        # Training sets of earlier versions name none; they knew this one alone.
        degradation=part(data, "degradation") or ({"name": "matlab"} if "sha256" in data else {}),
        data=data,
        recipe=part(made, "recipe"),
        steps=steps if isinstance(steps, int) else None,
        init=_text(made.get("init")),
        trained_by=_text(made.get("trained_by")),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        device=_text(measured.get("device")),
    )


def part(record: Values, *path: str) -> Values:
    """The object at a path of keys; empty if there is none."""
    for key in path:
        value = record.get(key)
        record = value if isinstance(value, Mapping) else {}
    return record


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def facts(training: Training, names: Mapping[str, str]) -> dict[str, str]:
    """What is known of a training; `names` gives the method and scale of known weights by their digests."""
    recipe, init = training.recipe, training.init
    candidates = recipe.get("candidates")
    found = {
        "training set": training.training_set,
        "images": training.data.get("images"),
        "LR images": training.degradation.get("name"),
        "steps": training.steps,
        "optimiser": recipe.get("optimiser"),
        "batch": recipe.get("batch"),
        "LR patch": recipe.get("patch"),
        "the most detailed of": f"{candidates} patches" if candidates not in (None, 1) else None,
        "learning rate": recipe.get("lr"),
        "schedule": recipe.get("schedule"),
        "started from": names.get(init, f"weights {init[:12]}") if init else None,
        "seed": recipe.get("seed"),
        "trained by": training.trained_by,
        "device": training.device,
    }
    return {label: plain(value) for label, value in found.items() if value not in (None, "", [], {})}


def plain(value: object) -> str:
    """A value as text: numbers grouped by thousands, lists joined."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ") if abs(value) >= 10000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    return ", ".join(plain(item) for item in value) if isinstance(value, Iterable) else str(value)


def duration(seconds: float | None) -> str:
    """Measured training time in words, or an empty text."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
