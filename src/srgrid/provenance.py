"""What made a result: versions, commit, hardware, digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srgrid.code import code_identity
from srgrid.environment import commit, hardware, versions
from srgrid.errors import SrgridError
from srgrid.files import read_manifest, set_identity
from srgrid.models.find import Located, locate
from srgrid.networks import told
from srgrid.records import TABLE_NAMES, tables_record, write_record

STEPS = {
    **{"score": "srgrid.scoring", "grid": "srgrid.report.grid", "upscale": "srgrid.upscale"},
    **{"figure": "srgrid.report.figures", "card": "srgrid.report.card"},
}


def set_digest(folder: Path) -> dict[str, Any]:
    """Number of images of a made folder and one sha256 over its manifest's names and pixel digests."""
    files = read_manifest(folder)["files"]
    return set_identity({name: entry["sha256"] for name, entry in files.items()})


Weights = Mapping[tuple[str, int], Path]
"""A weights file for each method and scale."""


def write_provenance(
    out: Path,
    config: Mapping[str, Any],
    inputs: Sequence[Path],
    weights: Weights,
    missing: Sequence[Mapping[str, Any]],
    command: str,
) -> None:
    """Write provenance.json: everything needed to re-make a run's results, whose tables lie beside it.

    `inputs` are folders of HR images with manifests; `missing` lists cells that are not run, with the reason.
    Raises SrgridError when a table was edited, when HR images or weights are others than those that were scored, and
    on a config of the wrong form.
    """
    _check_form(config, missing)
    tables = tables_record(out.parent, TABLE_NAMES)
    hr = {folder.name: set_digest(folder) for folder in inputs}
    for name, digest in hr.items():
        if tables["hr"].get(name, digest) != digest:
            raise SrgridError(f"{name}: the HR images are others than those that were scored; score them again")
    record = {
        "code": {"present": {step: code_identity(module) for step, module in STEPS.items()}, **tables["code"]},
        "command": command,
        "commit": commit(),
        "config": dict(config),
        "hardware": hardware(),
        "inputs": hr,
        "missing": list(missing),
        "outputs": {name: tables["sha256"][name] for name in TABLE_NAMES},
        "versions": versions(),
        "weights": _all_weights(weights, tables["methods"], (config.get("upscale") or {}).get("rgb_range") or {}),
    }
    write_record(out, "provenance", record)


def _all_weights(weights: Weights, methods: Mapping[str, Any], ranges: Mapping[str, float]) -> dict[str, Any]:
    """Records keyed "METHOD xSCALE": of the files given, and of what the SR images' manifests name beyond them."""
    found: dict[str, dict[str, Any]] = {}
    for (method, scale), file in weights.items():
        key = f"{method} x{scale}"
        if key not in methods:
            raise SrgridError(f"weights: {key} is no column of the grid, which has {', '.join(methods)}")
        used = _used(file, key, (methods[key] or {}).get("weights_sha256"), ranges.get(method))
        found[key] = {"method": method, "scale": scale, **used}
    for key, made_by in methods.items():
        if key not in found and made_by and made_by.get("weights_sha256"):
            name, _, factor = key.rpartition(" x")
            own = {"method": name, "scale": int(factor), "file": str(made_by.get("model", "not recorded"))}
            own |= {"sha256": made_by["weights_sha256"]}
            found[key] = own | told(made_by.get("architecture"), made_by.get("config"))
    return found


def _used(file: Path, key: str, used: str | None, rgb_range: float | None) -> dict[str, Any]:
    """What given weights are, which have to be those that the SR images were made with."""
    scale = int(key.rpartition(" x")[2])
    record = weights_record(locate(file, scale), rgb_range, scale)
    if record["sha256"] != used:
        made_with = f"made with {used[:12]}..." if used else "not made with weights that are recorded"
        raise SrgridError(f"{file}: other bytes than the SR images of {key}, {made_with}; upscale and score again")
    return record


def weights_record(
    source: str | Path | Located, rgb_range: float | None = None, scale: int | None = None
) -> dict[str, Any]:
    """What a model is (`srgrid.models.describe`), and what was measured while it was trained, if that is on record.

    source, rgb_range, scale: see `srgrid.models.load`. Raises SrgridError for a damaged record beside the weights.
    """
    from srgrid.models.loading import describe

    place = source if isinstance(source, Located) else locate(source, scale)
    record = {"path": place.source, **describe(place, scale, rgb_range)}
    own = place.record()
    whole = own.with_measured(place.file) if own and place.file else None
    if whole and whole.measured:
        record |= {"measured": whole.beside(record["sha256"]), "licence": whole.licence}
    return record


def _check_form(config: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]) -> None:
    """Raise SrgridError unless what the card reads of a config has the form of the workflow's."""
    wrong = [key for key in ("datasets", "methods", "protocols") if not _all(config.get(key, []), str)]
    wrong += [] if _all(config.get("scales", []), int) else ["scales"]
    wrong += [key for key in ("weights", "train", "card") if not isinstance(config.get(key, {}), dict)]
    wrong += [] if "train" in wrong or _all(config.get("train", {}).get("images", []), str) else ["train.images"]
    if wrong:
        raise SrgridError(f"config: {', '.join(wrong)} not as in config.yaml; give the workflow's config, or {{}}")
    for entry in missing:
        fits = isinstance(entry, dict) and isinstance(entry.get("reason"), str)
        if not fits or not isinstance(entry.get("scale", 1), int) or not isinstance(entry.get("dataset", ""), str):
            raise SrgridError(f"missing: {entry!r}: expected an object with a reason, and the cell's keys")


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
