"""The published values that stand beside the re-made ones, from `published.yaml`, and the reader of such files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from srgrid.errors import SrgridError
from srgrid.references import reference


@dataclass(frozen=True)
class Published:
    """One printed cell: as printed ("33.64/0.9292"), its numbers, where from, and the protocol it compares under.

    cite: a key of references.bib. table: where in the source; read: which copy of it. training: the set that the
    network was trained on; parameters ("412K") and multiply_adds for an output of 1280 x 720 ("32.5G"), as printed; ""
    if the source does not say.
    """

    source: str
    label: str
    title: str
    url: str
    cite: str
    dataset: str
    scale: int
    method: str
    protocol: str
    text: str
    psnr: float
    ssim: float
    note: str
    table: str = ""
    read: str = ""
    training: str = ""
    parameters: str = ""
    multiply_adds: str = ""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML without keys that stand twice, of which only the last would be seen."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if twice := [key for place, key in enumerate(keys) if key in keys[:place]]:
        raise ValueError(f"{twice[0]} is there twice, line {node.start_mark.line + 1}")
    made: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return made


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_values(file: Path) -> tuple[Published, ...]:
    """Every cell of a file of printed values, in its order. Raises SrgridError if it is damaged."""
    try:
        loaded = yaml.load(file.read_text(encoding="utf-8"), _Loader)
        plain = json.loads(json.dumps(loaded, allow_nan=False))
        _check(plain)
        cells = tuple(cell for block in plain["values"] for cell in _cells(block, plain["sources"][block["source"]]))
        _check_once(cells)
    except OSError as error:
        raise SrgridError(f"{file}: cannot be read ({error.strerror}); install srgrid again") from None
    # What a damaged file can raise: no YAML, too deep, another shape or type, a key or a citation that is not there.
    except (yaml.YAMLError, RecursionError, KeyError, TypeError, ValueError, SrgridError) as error:
        what = " ".join(str(error).split())
        raise SrgridError(f"{file}: damaged table of published values ({what}); install srgrid again") from None
    return cells


def _check(plain: Any) -> None:
    schema = yaml.safe_load(Path(__file__).with_name("published.schema.yaml").read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(plain))
    if error is not None:
        raise ValueError(f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: {error.message[:300]}")


def _check_once(cells: tuple[Published, ...]) -> None:
    """One value for each cell of a source; the same network trained on another set is another column of it."""
    seen = set()
    for cell in cells:
        key = (cell.source, cell.method, cell.training, cell.dataset, cell.scale)
        if key in seen:
            raise ValueError(f"{cell.source}: {cell.method} on {cell.dataset} x{cell.scale} is there twice")
        seen.add(key)


def _cells(block: Mapping[str, Any], source: Mapping[str, str]) -> Iterator[Published]:
    paper = reference(source["cite"])
    for dataset, cells in block["cells"].items():
        for scale, text in cells.items():
            psnr, ssim = map(float, text.split("/"))
            yield Published(
                source=block["source"],
                label=source["label"],
                title=source.get("title", f"{source['label']} ({paper.short})"),
                url=source["url"],
                cite=paper.key,
                dataset=dataset,
                scale=int(scale),
                method=block["method"],
                protocol=block["protocol"],
                text=text,
                psnr=psnr,
                ssim=ssim,
                note=block.get("note", ""),
                table=source.get("table", ""),
                read=source.get("read", ""),
                training=block.get("training", ""),
                parameters=block.get("parameters", {}).get(scale, ""),
                multiply_adds=block.get("multiply_adds", {}).get(scale, ""),
            )


@cache
def _table() -> tuple[Published, ...]:
    return read_values(Path(__file__).with_name("published.yaml"))


def published() -> list[Published]:
    """Every published cell, in the order of the file. Raises SrgridError if the file is damaged."""
    return list(_table())
