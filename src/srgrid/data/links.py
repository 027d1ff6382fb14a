"""What the definitions of data sets must agree on: sets made from others, numbers of images, their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from srgrid.errors import SrgridError

if TYPE_CHECKING:
    from srgrid.data.registry import Dataset

LARGEST = 8  # an HR image is enlarged by at most this


def check_links(found: Mapping[str, Dataset], where: str) -> None:
    """Raise SrgridError, listing every set that is made from one that is not there, from itself, or of a wrong number.

    Opens no file. `where` names the source of the definitions for messages.
    """
    faults = [f"{entry.name}: {fault}" for entry in found.values() for fault in _faults(entry, found)]
    faults += [f"{' -> '.join(loop)}: made from itself; a set cannot be made from itself" for loop in _loops(found)]
    if faults:
        raise SrgridError(f"{where}: " + "\n  ".join(faults))


def check_names(entry: Dataset, found: Mapping[str, Dataset]) -> None:
    """Raise SrgridError if a set's digests, its names and the images that it is made of disagree.

    Reads digest files.
    """
    known, told = tuple(entry.known), entry.declared
    if entry.digest_file and len(known) != entry.images:
        raise SrgridError(
            f"{entry.name}: images says {entry.images}, but {entry.digest_file} has the digests of {len(known)}"
        )
    if told and known and set(told) != set(known):
        raise SrgridError(f"{entry.name}: names and digests disagree: {_difference(told, known)}")
    made = _made_names(entry, found)
    twice = [name for name, count in Counter(made).items() if count > 1]
    if twice:
        raise SrgridError(f"{entry.name}: two of its images would be called {twice[0]}; rename a part")
    if made and entry.image_names and set(entry.image_names) != set(made):
        raise SrgridError(
            f"{entry.name}: its names are not those that it is made of: {_difference(entry.image_names, made)}"
        )


def _faults(entry: Dataset, found: Mapping[str, Dataset]) -> list[str]:
    others = [other for other in (entry.parent, entry.lr_of, *entry.parts) if other is not None]
    if gone := [other for other in others if other not in found]:
        return [f"there is no data set {other!r}" for other in gone]
    faults = []
    for relation, other in (("from", entry.parent), ("lr", entry.lr_of)):
        if other is not None and found[other].images != entry.images:
            faults.append(f"images says {entry.images}, but {other} ({relation}) has {found[other].images}")
    total = sum(found[part].images for part in entry.parts)
    if entry.parts and total != entry.images:
        faults.append(f"images says {entry.images}, but its parts have {total}")
    if entry.use == "test":  # a training set's LR images are always made from its HR images
        own = [part for part in entry.parts if found[part].lr_of]
        faults += [f"{part} has LR images of its own (lr), which a composed set loses" for part in own]
    if any(step == "imresize" and ratio > LARGEST for step, ratio in entry.steps):
        faults.append(f"hr: imresize enlarges by at most {LARGEST}")
    return faults


def _loops(found: Mapping[str, Dataset]) -> list[list[str]]:
    """Sets whose HR images, or whose LR images, come from themselves."""
    hr = {name: [other for other in (entry.parent, *entry.parts) if other in found] for name, entry in found.items()}
    lr = {name: [entry.lr_of] for name, entry in found.items() if entry.lr_of in found}
    loops = [loop for links in (hr, lr) for name in found if (loop := _way_back(name, links))]
    return [loop for number, loop in enumerate(loops) if set(loop) not in map(set, loops[:number])]


def _way_back(start: str, links: Mapping[str, Iterable[str | None]]) -> list[str]:
    """The names on a way from a set to itself; none if there is no such way."""
    before: dict[str, str] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for other in links.get(name, ()):
            if other == start:
                way = [name]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return [*reversed(way), start]
            if other is not None and other not in before:
                before[other] = name
                waiting.append(other)
    return []


def _made_names(entry: Dataset, found: Mapping[str, Dataset]) -> list[str]:
    """The names that the images of a variant or composed set get; none if a set with files of its own does not tell."""
    if entry.parent:
        return list(found[entry.parent].image_names) or _made_names(found[entry.parent], found)
    names = [(part, list(found[part].image_names) or _made_names(found[part], found)) for part in entry.parts]
    return [f"{part}_{name}" for part, each in names for name in each] if all(each for _, each in names) else []


def _difference(one: Iterable[str], other: Iterable[str]) -> str:
    apart = sorted(set(one) ^ set(other))
    return ", ".join(apart[:6]) + (f" and {len(apart) - 6} more" if len(apart) > 6 else "")
