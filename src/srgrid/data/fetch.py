"""Fetch a data set: find its files, recognise every image, write 8-bit PNGs under the field's names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srgrid.code import code_identity
from srgrid.data import registry, sources
from srgrid.data.fingerprint import fingerprint
from srgrid.data.registry import Dataset
from srgrid.data.sources import Leaf
from srgrid.data.take import Entries, take
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, write_manifest


def fetch(
    name: str,
    out_dir: str | os.PathLike[str],
    mirror: str | os.PathLike[str] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> None:
    """Write the HR images of a data set to `out_dir` (8-bit PNG, named by the registry) with a manifest.

    Images come from `mirror` (default: the environment variable SRGRID_MIRROR), laid out NAME/HR/*, if it has the set;
    else from an installed package or the set's public hosts, in the registry's order. Where digests are known, every
    image is recognised by its pixels, whatever its file is called; a damaged, swapped, re-compressed or missing one
    stops with a SrgridError that lists all of them, and `out_dir` is left as it was. `extra` holds data sets
    of the user's own (form: registry.yaml). Variants and composed sets are made from their parents.
    Raises SrgridError too if `out_dir` is, holds or lies in the folder of the mirror that the images come from.
    """
    folder = sources.mirror_folder(mirror)
    entry = registry.resolve(name, folder, extra)
    taken_from = fingerprint(name, folder, extra)
    _keep_apart_from_origins(Path(out_dir), entry, folder, extra)
    with staged_dir(Path(out_dir)) as staged:
        entries: Entries = {}
        origins: dict[str, str] = {}
        for leaf in sources.leaves(entry, extra):
            taken, origins[leaf.entry.name] = _take_leaf(leaf, staged, folder, threads)
            entries |= taken
        _check_made(entry, entries)
        if fingerprint(name, folder, extra) != taken_from:
            raise SrgridError(f"{name}: its files changed while they were fetched; fetch it again")
        made_by = {
            "step": "fetch",
            "dataset": name,
            "origins": origins,
            "fingerprint": taken_from,
            "verified": _verified(entry, extra),
            "code": code_identity("srgrid.data.fetch"),
        }
        write_manifest(staged, made_by, entries)


def _keep_apart_from_origins(
    out_dir: Path, entry: Dataset, mirror: Path | None, extra: Mapping[str, Any] | None
) -> None:
    for leaf in sources.leaves(entry, extra):
        if origin := sources.at_hand(leaf.entry, mirror):
            keep_apart(out_dir, *{file.parent for file in origin.files}, *origin.files)


def _take_leaf(leaf: Leaf, out: Path, mirror: Path | None, threads: int | None) -> tuple[Entries, str]:
    """A mirror or package that has the set must have it whole; among the public hosts the next one is tried."""
    origin = sources.at_hand(leaf.entry, mirror)
    if origin is not None:
        return take(leaf, origin, out, threads), origin.kind
    from srgrid.data.download import archives

    troubles = []
    for attempt in archives(leaf.entry):
        try:
            with attempt as origin:
                return take(leaf, origin, out, threads), origin.kind
        except SrgridError as error:
            troubles.append(f"  {error}")
    raise SrgridError(_what_to_do(leaf.entry, mirror, troubles))


def _what_to_do(entry: Dataset, mirror: Path | None, troubles: list[str]) -> str:
    where = f"{mirror or 'MIRROR'}/{entry.name}/HR/"
    pages = [source.page or source.url for source in entry.sources]
    lines = [f"{entry.name}: its images could not be had", *troubles]
    lines.append(f"Put its {entry.images} HR images into {where}")
    lines[-1] += "" if mirror else " and give MIRROR with --mirror or SRGRID_MIRROR"
    return "\n".join([*lines, *(f"  they are at {page}" for page in pages)])


def _verified(entry: Dataset, extra: Mapping[str, Any] | None) -> bool:
    return all(leaf.entry.known for leaf in sources.leaves(entry, extra))


def _check_made(entry: Dataset, entries: Entries) -> None:
    """The number of images is the declared one, and a variant's own digests guard the steps that make it."""
    if len(entries) != entry.images:
        raise SrgridError(f"{entry.name}: images says {entry.images}, but {len(entries)} were made; correct its entry")
    for known in entry.known.values():
        if entries[f"{known.image}.png"]["sha256"] != known.sha256:
            raise SrgridError(f"{entry.name}: {known.image} was not made as the registry says; its digest differs")
