"""Rows and columns as one names them without a config: data sets and folders, `MODEL` or `NAME=MODEL`, SR images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srgrid.errors import SrgridError
from srgrid.models.find import Located, folder, locate
from srgrid.names import is_name
from srgrid.plan import BASELINE, COMPUTED

_SCALE = re.compile(r"[-_.](x([2-8]|\{scale\})|([2-8]|\{scale\})x)$", re.I)
# Names of files in folders of names: they say nothing themselves.
_SAYS_NOTHING = ("model", "pytorch_model", "weights", "checkpoint", "best", "last")


@dataclass(frozen=True)
class Column:
    """A column of a table. weights, sr: what a config would say of it; neither of what no network computes."""

    name: str
    given: str  # as it was named, for messages
    weights: str = ""
    sr: str = ""


def columns(models: Sequence[str], sr: Mapping[str, str], scales: Sequence[int]) -> list[Column]:
    """The columns of a table, bicubic first.

    models: `MODEL` or `NAME=MODEL`: an interpolator, or what `srgrid.models.locate` takes, with {scale} put in. sr:
    folders of finished SR images by the column's name, with {dataset} and {scale} put in. Raises SrgridError for what
    is no model, and for two columns of one name.
    """
    made = [_column(text, scales) for text in models]
    made += [Column(_checked(name, f"--sr {name}={path}"), f"--sr {name}={path}", sr=path) for name, path in sr.items()]
    made = [one for one in made if one.name != BASELINE or one.weights or one.sr]
    held = {BASELINE: Column(BASELINE, "the baseline, which is always there")}
    for one in made:
        first = held.setdefault(one.name, one)
        if first is not one:
            raise SrgridError(
                f"column {one.name}: two have this name, {first.given} and {one.given}; give one of them another: "
                "NAME=MODEL"
            )
    return list(held.values())


def rows(datasets: Sequence[str]) -> dict[str, Path | None]:
    """The data sets of a table, with the folder of HR images of one's own: `FOLDER`, with a / in it, or `NAME=FOLDER`.

    Raises SrgridError for a folder that is not there, and for two of one name.
    """
    found: dict[str, Path | None] = {}
    for text in datasets:
        name, path = _parted(text)
        own = Path(path) if name or "/" in path else None
        if own and not own.is_dir():
            raise SrgridError(f"--dataset {text}: there is no such folder")
        if own and not name:
            name = own.resolve().name if own.resolve().name != "HR" else own.resolve().parent.name
        if (name or text) in found:
            raise SrgridError(f"--dataset {text}: {name or text} is there twice; write NAME=FOLDER with another name")
        found[_checked(name, f"--dataset {text}") if own else text] = own
    return found


def _column(text: str, scales: Sequence[int]) -> Column:
    name, model = _parted(text)
    if model in COMPUTED:
        if name not in ("", model):
            raise SrgridError(f"{text}: an interpolator is a column under its own name; write {model}")
        return Column(model, text)
    found = [locate(model.replace("{scale}", str(scale)), scale) for scale in scales]
    return Column(_checked(name or _name_of(model, found[0]), text), text, weights=_weights(model, found, scales))


def _parted(text: str) -> tuple[str, str]:
    """The name, if there is one, and the model. A file may have = in its name."""
    name, equals, model = text.partition("=")
    return (name, model) if equals and is_name(name) and not Path(text).exists() else ("", text)


def _weights(model: str, found: Sequence[Located], scales: Sequence[int]) -> str:
    """What a config says of a located model: a file of each scale, a folder, or an entry."""
    if found[0].kind == "name":
        return str(folder() / f"{model}_x{{scale}}.safetensors")
    if found[0].kind == "hub":
        from srgrid.models.hub import fetch

        files = [fetch(model, scale)[0] for scale in scales]
        return str(files[0].parent)
    return model


def _name_of(model: str, found: Located) -> str:
    """What a column is called that was given no name: after its file or function, without scale."""
    if found.entry:
        return found.entry.factory
    path = Path(model)
    stem = path.name if found.kind in ("name", "hub", "folder") else _SCALE.sub("", path.stem)
    says = path.absolute().parent.name if stem in _SAYS_NOTHING else stem
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", says).lstrip(".+_-")


def _checked(name: str, given: str) -> str:
    if not is_name(name):
        raise SrgridError(f"{given}: {name!r} is no name; write NAME=..., with a name of A-Z a-z 0-9 . + _ -")
    return name
