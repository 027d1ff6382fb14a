"""SR images that another program made, as a column: matched with HR by their names, checked, and copied.

Programs add something to an image's name, the same for all of a folder: `baby_SwinIR.png`, `babyx4.png`,
`Set5_baby_x4_SR.png`. What stands before and behind the HR images' names is found and said, never guessed: where two
readings fit, or none, an error says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from srgrid import images
from srgrid.code import code_identity
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, staged_dir, write_manifest
from srgrid.made import open_images, origin
from srgrid.names import some
from srgrid.progress import track

FIELDS = ("{dataset}", "{scale}")


class AmbiguousError(SrgridError):
    """Names that can be read in several ways."""


@dataclass(frozen=True)
class Affixes:
    """What stands before and behind an HR image's name in that of its SR image."""

    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}NAME{self.suffix}"


def match(sr: Iterable[str], hr: Iterable[str], where: str | Path) -> tuple[dict[str, str], Affixes]:
    """The SR image of each HR image, by their names without extensions, and how the names differ.

    Equal names match; else one prefix, one suffix or both, common to all. Raises SrgridError, listing names, if an HR
    image has no SR image, if there are SR images of no HR image, or if several readings fit.
    """
    sr, hr = sorted(sr), sorted(hr)
    if sr == hr:
        return dict(zip(hr, hr, strict=True)), Affixes()
    fitting = [one for one in _candidates(sr, hr) if _named(hr, one) == set(sr)]
    if len(fitting) == 1:
        (one,) = fitting
        return {name: f"{one.prefix}{name}{one.suffix}" for name in hr}, one
    if fitting:
        readings = " or ".join(map(str, fitting[:3]))
        raise AmbiguousError(f"{where}: its names can be read as {readings}; name the images as the HR images are")
    raise SrgridError(_misfit(sr, hr, where))


def _candidates(sr: list[str], hr: list[str]) -> list[Affixes]:
    """Every way to find an HR image's name in that of an SR image; the HR image that fits fewest tells."""
    fewest = min(({one for s in sr for one in _around(name, s)} for name in hr), key=len, default=set())
    return sorted(fewest, key=str)


def _around(name: str, text: str) -> list[Affixes]:
    """What stands before and behind a name in a text, wherever it is in it."""
    places = [place for place in range(len(text) - len(name) + 1) if text.startswith(name, place)]
    return [Affixes(text[:place], text[place + len(name) :]) for place in places]


def _named(hr: list[str], one: Affixes) -> set[str]:
    return {f"{one.prefix}{name}{one.suffix}" for name in hr}


def _misfit(sr: list[str], hr: list[str], where: str | Path) -> str:
    """What keeps the names from matching, by the affixes that fit most of them."""
    counts = Counter(one for name in hr for one in {one for s in sr for one in _around(name, s)})
    if not counts:
        pair = f"{some(sr[:1])} there, {some(hr[:1])} here"
        return f"{where}: no name of an SR image holds that of an HR image ({pair}); name them as the HR images are"
    names = set(sr)
    best = min(counts, key=lambda one: (-counts[one], len(str(one)), str(one)))
    lost = [name for name in hr if f"{best.prefix}{name}{best.suffix}" not in names]
    spare = sorted(names - _named(hr, best))
    faults = [f"has no SR image for {some(lost)}"] if lost else []
    faults += [f"{some(spare)} match no HR image"] if spare else []
    return (
        f"{where}: read as {best}, {' and '.join(faults)}; one prefix and one suffix have to fit all, and all be there"
    )


def take(sr_dir: Path, hr_dir: Path, out_dir: Path) -> Affixes:
    """Copy finished SR images into a made folder, named as the HR images, and say in its manifest what they were.

    Raises SrgridError as `match` does, and for an image that cannot be read; then nothing is written.
    """
    folder, hr = open_images(sr_dir), open_images(hr_dir)
    keep_apart(out_dir, sr_dir, hr_dir, *folder.files.values())
    matched, affixes = match(folder.files, hr.files, sr_dir)
    entries, files = {}, {}
    with staged_dir(out_dir) as staged:
        for name in track(sorted(matched), f"SR {sr_dir}"):
            file = folder.files[matched[name]]
            sr = folder.read_or_list(file)
            images.write(staged / f"{name}.png", sr)
            entries[f"{name}.png"] = images.describe(sr)
            files[f"{name}.png"] = {"file": file.name, "sha256": folder.digests[file.name]}
        sources = {"names": str(affixes), "files": files, "made_by": origin(folder.made_by)}
        write_manifest(staged, {"step": "sr", "sources": sources, "code": code_identity("srgrid.given")}, entries)
    return affixes


def folder_of(pattern: str, dataset: str, scale: int | str, basedir: Path) -> Path:
    """The folder that a config's `sr` names: under the working directory, else under `basedir`."""
    given = Path(pattern.replace("{dataset}", dataset).replace("{scale}", str(scale)))
    return given if given.exists() else basedir / given


def faults(
    pattern: str, cells: Iterable[tuple[str, int]], names: Mapping[str, tuple[str, ...]], basedir: Path
) -> Iterator[str]:
    """What is wrong with a config's `sr`, by names alone. names: the HR images of each data set, where known."""
    if unknown := sorted(set(re.findall(r"\{[^{}]*\}", pattern)) - set(FIELDS)):
        yield f"{', '.join(unknown)} means nothing here; only {' and '.join(FIELDS)} are put in"
        return
    users: dict[Path, tuple[str, int]] = {}
    for dataset, scale in cells:
        folder = folder_of(pattern, dataset, scale, basedir)
        first = users.setdefault(folder, (dataset, scale))
        if first != (dataset, scale):
            yield f"{folder} is named for {first[0]} x{first[1]} and {dataset} x{scale}; put {' and '.join(FIELDS)} in"
            continue
        try:
            found = images.by_stem(images.list_images(folder))
            if names.get(dataset):
                match(found, names[dataset], folder)
        except SrgridError as error:
            yield str(error)


def fingerprint(folder: Path) -> str:
    """A digest (sha256, hex) of the place, and of name, size and time of every file in it; no image is opened."""
    state = [str(folder.resolve())]
    try:
        for file in sorted(folder.iterdir()):
            about = file.stat()
            state.append(f"{file.name} {about.st_size} {about.st_mtime_ns}")
    except OSError as error:
        raise SrgridError(f"{error.filename or folder}: cannot be read ({error.strerror})") from None
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()
