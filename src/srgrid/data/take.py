"""Take a data set's images from files: recognise each, and write it as 8-bit PNG under its own name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from srgrid import images
from srgrid.data.recognise import Catalogue, Match
from srgrid.data.registry import Dataset
from srgrid.data.sources import Leaf, Origin
from srgrid.errors import SrgridError
from srgrid.made import read_image
from srgrid.names import stem
from srgrid.progress import track
from srgrid.steps import apply_steps

Entries = dict[str, dict[str, Any]]  # a manifest's files: name -> size, channels, digest


@dataclass
class _Outcome:
    file: Path
    image: str = ""  # the benchmark image this file is, or was meant to be
    entry: dict[str, Any] = field(default_factory=dict)  # set if it was written
    problem: str = ""


def take(leaf: Leaf, origin: Origin, out: Path, threads: int | None = None) -> Entries:
    """Write the images of `leaf` found in `origin` to the folder `out`; return their manifest entries.

    Files that were unpacked for it are deleted one by one as they are taken.
    Raises SrgridError, listing every image that is missing, damaged, swapped or another, and then leaves no file.
    """
    if not leaf.entry.known:
        return _take_by_name(leaf, origin, out, threads)
    catalogue = Catalogue([leaf.entry])
    outcomes = list(_each(lambda file: _recognised(file, leaf, origin, catalogue, out), leaf, origin, threads))
    taken = {outcome.image: outcome for outcome in outcomes if outcome.entry}
    problems = _problems(outcomes, taken, leaf.entry, origin)
    if problems:
        _remove(out, taken, leaf)
        raise _failure(leaf.entry, origin, problems)
    return {_png(leaf, name): taken[name].entry for name in leaf.entry.image_names}


def _each(work: Callable[[Path], _Outcome], leaf: Leaf, origin: Origin, threads: int | None) -> Iterator[_Outcome]:
    def taking(file: Path) -> _Outcome:
        outcome = work(file)
        if origin.unpacked:
            file.unlink()
        return outcome

    with ThreadPoolExecutor(threads or min(4, os.cpu_count() or 1)) as pool:
        yield from track(pool.map(taking, origin.files), f"{leaf.entry.name} images", total=len(origin.files))


def _recognised(file: Path, leaf: Leaf, origin: Origin, catalogue: Catalogue, out: Path) -> _Outcome:
    by_name = leaf.entry.image_of(stem(file))
    try:
        image = read_image(file)
    except SrgridError as error:
        return _Outcome(file, by_name, problem=str(error).removeprefix(f"{file}: "))
    match = catalogue.match(image)
    if match.pixels is None:
        return _Outcome(file, match.image or by_name, problem=_explain(match))
    if origin.strict and by_name not in ("", match.image):
        return _Outcome(file, by_name, problem=f"swapped: these are the pixels of {match.image}")
    return _Outcome(file, match.image, _write(match.pixels, match.image, leaf, out))


def _write(image: images.Array, name: str, leaf: Leaf, out: Path) -> dict[str, Any]:
    image = apply_steps(image, leaf.steps)
    images.write(out / _png(leaf, name), image)
    if leaf.steps or name not in leaf.entry.known:
        return images.describe(image)
    known = leaf.entry.known[name]
    return {"width": known.width, "height": known.height, "channels": known.channels, "sha256": known.sha256}


def _explain(match: Match) -> str:
    if match.how == "cropped":
        return f"{match.image} {match.detail}; other crops give other scores"
    return f"{match.image}: {match.detail}" if match.image else "not an image of this set"


def _problems(outcomes: list[_Outcome], taken: dict[str, _Outcome], entry: Dataset, origin: Origin) -> list[str]:
    """A line for each file that is wrong and for each image that no file explains."""
    missing = [name for name in entry.image_names if name not in taken]
    wrong = [o for o in outcomes if o.problem and (origin.strict or (o.image in missing and o.image))]
    explained = {o.image for o in wrong}
    lines = [f"{o.file.name}: {o.problem}" for o in wrong]
    return lines + [f"{name}: missing" for name in missing if name not in explained]


def _failure(entry: Dataset, origin: Origin, problems: list[str]) -> SrgridError:
    if origin.kind.startswith("archive"):  # one of several sources: keep it short
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        return SrgridError(f"{origin.label}: not the benchmark's images ({'; '.join(problems[:3])}{more})")
    lines = "\n".join(f"  {line}" for line in problems)
    return SrgridError(
        f"{entry.name}: {origin.label} does not hold the benchmark's {entry.images} images:\n{lines}\n"
        "Put the original images there and take all others away; nothing was written"
    )


def _take_by_name(leaf: Leaf, origin: Origin, out: Path, threads: int | None) -> Entries:
    """No digests are known: images are taken as they are, in the order of their files' names."""
    entry = leaf.entry
    stems = images.by_stem(sorted(origin.files, key=lambda file: file.name))
    assigned = _assigned(list(stems), entry, origin)
    names = dict(zip(stems.values(), assigned, strict=True))

    def work(file: Path) -> _Outcome:
        name = names[file]
        try:
            return _Outcome(file, name, _write(read_image(file), name, leaf, out))
        except SrgridError as error:
            return _Outcome(file, name, problem=str(error).removeprefix(f"{file}: "))

    outcomes = list(_each(work, leaf, replace(origin, files=tuple(names)), threads))
    if any(o.problem for o in outcomes):
        _remove(out, names.values(), leaf)
        raise _failure(entry, origin, [f"{o.file.name}: {o.problem}" for o in outcomes if o.problem])
    return {_png(leaf, o.image): o.entry for o in outcomes}


def _assigned(stems: list[str], entry: Dataset, origin: Origin) -> list[str]:
    """The names of a set's images for files of these names: the declared ones in order if no file has one of them."""
    lost = [name for name in entry.image_names if name not in stems]
    if len(stems) != entry.images:
        hint = f"; missing by name: {', '.join(lost[:10])}" if 0 < len(lost) < entry.images else ""
        raise SrgridError(f"{entry.name}: {origin.label} holds {len(stems)} images, not {entry.images}{hint}")
    if not lost:
        return stems
    if len(lost) < len(stems):
        others = [stem for stem in stems if stem not in entry.image_names]
        raise SrgridError(
            f"{entry.name}: {origin.label} holds {', '.join(others[:10])} where {', '.join(lost[:10])} should be"
        )
    return list(entry.image_names)


def _png(leaf: Leaf, name: str) -> str:
    return f"{leaf.prefix}{name}.png"


def _remove(out: Path, names: Any, leaf: Leaf) -> None:
    for name in names:
        (out / _png(leaf, name)).unlink(missing_ok=True)
