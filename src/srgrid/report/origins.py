"""Where a run's columns come from, as its records say: networks, their training, licences and papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from srgrid.models.history import Model, duration, facts
from srgrid.references import Reference, bibtex, references
from srgrid.report.cardata import CardData
from srgrid.report.tables import BASELINE

UNKNOWN = "unknown"
BY_HAND = "SR images given by hand; what made them is not recorded"
NO_WEIGHTS = "no weights recorded in this run"


@dataclass(frozen=True)
class Origin:
    """The weights of one method at one scale, and how they were made."""

    model: Model
    facts: dict[str, str]
    time: str


@dataclass(frozen=True)
class MethodView:
    """One column. about: what its method is; source: what made its images; computed: without a network."""

    method: str
    about: str
    source: str
    computed: bool = False


def origins(data: CardData) -> list[Origin]:
    """One entry for each method and scale whose weights are recorded."""
    names = {m.sha256: f"{m.method} x{m.scale}" for m in data.models if m.sha256}
    return [Origin(m, facts(m.training, names), duration(m.training.seconds)) for m in data.models]


def method_views(data: CardData) -> list[MethodView]:
    """Every column of the run, by its records alone."""
    return [_method_view(data, str(method)) for method in data.order["method"]]


def _method_view(data: CardData, method: str) -> MethodView:
    own = [model for model in data.models if model.method == method]
    keys = [f"{method} x{scale}" for scale in data.order["scale"]]
    made = [data.made_by[key] for key in keys if key in data.made_by]
    if own:
        files = ", ".join(f"{m.file} ({m.training.training_set or 'training set not recorded'})" for m in own)
        run = _computed_in(made) + _cut_up(tile for key in keys for tile in data.tiles.get(key, ()))
        return MethodView(method, " ".join(_once(map(_description, own))), files + run)
    if any(made_by is None or made_by.get("step") == "sr" for made_by in made):
        return MethodView(method, f"{BY_HAND}.", BY_HAND)
    names = _once(str(made_by.get("model", UNKNOWN)) for made_by in made if made_by is not None)
    how = _once(str(made_by["computed"]) for made_by in made if made_by is not None and made_by.get("computed"))
    if method == BASELINE or names == [BASELINE] or how:
        by = f" by {', '.join(how or names)}" if how or names not in ([], [method]) else ""
        return MethodView(method, "", f"computed{by}, no training", computed=True)
    return MethodView(method, f"made by {', '.join(names)}." if names else "what this is, is not recorded.", NO_WEIGHTS)


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _description(model: Model) -> str:
    """What a network is, whose work, under which licence; what its record lacks is said to be unknown."""
    papers = [references()[key].short if key in references() else key for key in model.citations]
    about = model.about or "What kind of network this is, is not recorded."
    return f"{about} Papers: {', '.join(papers) or UNKNOWN}. Licence: {model.licence or UNKNOWN}."


def _computed_in(made: Iterable[Mapping[str, Any] | None]) -> str:
    """How the SR images were computed, where their manifests say."""
    known = [made_by for made_by in made if made_by]
    precisions = _once(str(made_by["precision"]) for made_by in known if "precision" in made_by)
    ensemble = "; x8 self-ensemble" if any(made_by.get("ensemble") for made_by in known) else ""
    return (f"; upscaled in {' and '.join(precisions)}" if precisions else "") + ensemble


def _cut_up(tiles: Iterable[Mapping[str, int]]) -> str:
    """That images were cut up before the network, with which tiles."""
    sizes = _once(f"{tile['side']} with overlap {tile['overlap']}" for tile in tiles)
    return f"; computed in tiles of {' and '.join(sizes)}: not the same as the whole image" if sizes else ""


def descriptions(views: Iterable[MethodView]) -> dict[str, list[str]]:
    """What stands of the columns in the model description, and of which methods it holds."""
    found: dict[str, list[str]] = {}
    for view in views:
        if view.about:
            found.setdefault(view.about, []).append(view.method)
    return found


def degradations(data: CardData) -> dict[str, str]:
    """The degradation that makes each protocol's LR images, by the protocol's name."""
    found = {}
    for name in data.order["protocol"]:
        fields = data.protocols.get(name, {})
        earlier = fields.get("lr_kernel", UNKNOWN)  # two fields told it
        earlier += "-uncropped" if earlier != UNKNOWN and fields.get("hr") == "resize" else ""
        found[str(name)] = str(fields.get("degradation", earlier))
    return found


def scored_elsewhere(data: CardData) -> list[str]:
    """Sentences of the networks that are scored on another degradation than they were trained on."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for model in data.models:
        trained = model.training.degradation
        for protocol, kind in degradations(data).items():
            if trained and kind != UNKNOWN and _differ(data, trained, kind):
                found.setdefault((model.method, str(trained["name"]), kind), []).append(protocol)
    return [
        f"{method} was trained on LR images made by {trained}; under {' and '.join(_once(under))} it is scored on "
        f"those made by {kind}, another task."
        for (method, trained, kind), under in found.items()
    ]


def _differ(data: CardData, trained: Mapping[str, Any], scored: str) -> bool:
    """By their steps, where both are known; else by their names."""
    one, other = trained.get("steps") or _steps(data, trained["name"]), _steps(data, scored)
    return bool(one != other if one and other else trained["name"] != scored)


def _steps(data: CardData, name: str) -> list[Any]:
    return list(data.degradations[name].record()["steps"]) if name in data.degradations else []


def licence(data: CardData) -> str:
    """The config's; else that of all weights, if every record gives the same; else an empty text."""
    licences = {model.licence for model in data.models}
    return data.words.licence or (licences.pop() if len(licences) == 1 else "")


def sources_of(data: CardData, dataset: str) -> list[Reference]:
    """What to cite for a data set: its own paper, those of its parts, and of the set it is made from."""
    entry = data.datasets.get(dataset)
    if entry is None:
        parts = [part for part in dataset.split("+") if part != dataset]
    else:
        parts = [*entry.parts, *([entry.parent] if entry.parent else [])]
    own = [entry.citation] if entry and entry.citation else []
    return list(dict.fromkeys([*own, *(found for part in parts for found in sources_of(data, part))]))


def cited(data: CardData, dataset: str) -> str:
    """Who made a data set ("Bevilacqua et al. 2012"), and of what; empty if unknown."""
    entry = data.datasets.get(dataset)
    made = [entry.origin] if entry and entry.parent else []
    return "; ".join([*(found.short for found in sources_of(data, dataset)), *made])


def training_sets(data: CardData) -> list[str]:
    """Names of the data sets trained on, composed ones by their parts."""
    names = _once(model.training.training_set for model in data.models if model.training.training_set)
    found = []
    for name in names:
        entry = data.datasets.get(name)
        found += list(entry.parts or [name]) if entry else name.split("+")
    return _once(found)


# Papers that define a column of costs.csv.
_COST_PAPERS = {"ahn2018carn": "multiply_adds", "zhang2020aim": "activations", "ren2025ntire": "score"}


def all_bibtex(data: CardData) -> str:
    """BibTeX of what ran: data sets, networks, published sources, srgrid, and the config's own entries."""
    sets = [found for name in [*data.order["dataset"], *training_sets(data)] for found in sources_of(data, str(name))]
    keys = [key for model in data.models for key in model.citations] + [value.cite for value in data.published]
    keys += [key for key, used in _COST_PAPERS.items() if any(getattr(row, used) is not None for row in data.costs)]
    known = [key for key in [*keys, *(found.key for found in sets), "srgrid"] if key in references()]
    own = [found.bibtex for found in sets if found.key not in references() and found.bibtex]
    return "\n\n".join(_once([*bibtex(known), *own, *([data.words.citation.strip()] if data.words.citation else [])]))
