"""A table in one go: what the workflow's rules do for a grid, in one process, without a config and without Snakemake.

`configure` writes the config that a run of the workflow would need for the same table; `bench` checks it as a run is
checked and calls the functions that the rules call, so that both give the same bytes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srgrid import plan, scoring
from srgrid.columns import Column
from srgrid.configuration import defaults
from srgrid.data import fetch, registry, verify
from srgrid.data.sources import mirror_folder
from srgrid.degrade import Degradation, degradations, get_degradation, make_lr
from srgrid.errors import SrgridError
from srgrid.files import keep_apart, scratch_dir, staged_file
from srgrid.given import Affixes, folder_of, take
from srgrid.metrics import get_metrics
from srgrid.networks import names as model_names
from srgrid.progress import leaving_out
from srgrid.protocols import Protocol, get_protocol, protocols
from srgrid.records import TABLE_NAMES, TABLES
from srgrid.settings import Kind
from srgrid.upscale import Options, upscale_dir

if TYPE_CHECKING:
    from srgrid.report.cardata import CardData

Config = dict[str, Any]

# What a key of the config is called where there is none.
_OPTIONS = {
    **{"datasets": "--dataset", "scales": "--scale", "protocols": "--protocol", "metrics": "--metrics"},
    **{"mirror": "--mirror", "weights": "column", "sr": "column", "upscale.rgb_range": "--rgb-range"},
}


@dataclass(frozen=True)
class Benched:
    """A finished table: all that a card shows of it, and the grid for papers (LaTeX)."""

    data: CardData
    latex: str


def configure(columns: Sequence[Column], datasets: Sequence[str], scales: Sequence[int], **changes: Any) -> Config:
    """The config of a table, as config.yaml would have it. changes: of other keys, `compute={"threads": 8}`."""
    config = defaults() | {"datasets": list(datasets), "scales": list(scales), "protocols": ["rgb8"], "audit": False}
    config["run"] = "bench"
    config["methods"] = [column.name for column in columns]
    config["weights"] = {column.name: column.weights for column in columns if column.weights}
    config["sr"] = {column.name: column.sr for column in columns if column.sr}
    shown = [name for name in config["methods"] if name != plan.BASELINE] or [plan.BASELINE]
    config["card"]["title"] = f"{', '.join(shown)} on {', '.join(config['datasets'])}"
    for key, value in changes.items():
        config[key] = config[key] | value if isinstance(value, dict) else value
    return config


def bench(
    config: Config,
    *,
    folders: Mapping[str, Path] = {},
    out: Path | None = None,
    card: Path | None = None,
    command: str = "",
) -> Benched:
    """Make the table of a config that trains nothing.

    folders: HR images of one's own, by the name of their data set. out: where the tables go. card: where the card goes,
    with the tables and what it is made of. command: what re-makes it, for the card. Raises SrgridError, and then writes
    nothing, if any column cannot be had, whole and under every protocol.
    """
    for target in filter(None, (out, card)):
        _check_target(target, config, folders)
    with scratch_dir(Path(tempfile.gettempdir())) as room, leaving_out(room):
        try:
            run = Run(config, room, folders)
            run.check()
            run.score(keep=card is not None)
            made = run.report(command, card is not None)
        except SrgridError as error:  # what is in the scratch folder is gone when the message is read
            raise SrgridError(str(error).replace(f"{room}/", "")) from None
        if out:
            from srgrid.report.export import EXPORTS

            _deliver(run.results, out, [*EXPORTS, *TABLE_NAMES, "provenance.json", TABLES])
        if card:
            _deliver(run.results, card, run.files())
    return made


class Run:
    """The steps of a run in a scratch folder; what has been made is not made again."""

    def __init__(self, config: Config, room: Path, folders: Mapping[str, Path]) -> None:
        self.config, self.room, self.results = config, room, room / "results"
        self.mirror = _mirror(mirror_folder(config["mirror"] or None), folders, room / "mirror")
        self.parts: list[Path] = []

    def check(self) -> None:
        """Raise SrgridError for all that can be known to be wrong before anything is made."""
        mirror = str(self.mirror) if self.mirror else None
        if lines := plan.faults(self.config, {}, mirror, model_names(), Path()):
            raise SrgridError("\n  ".join(map(_as_option, lines)))
        self.options("8bit", plan.BASELINE)

    @cached_property
    def cells(self) -> list[tuple[str, int]]:
        """(data set, scale) of every row."""
        return plan.cells(self.config, self.dataset)

    @cached_property
    def protocols(self) -> list[Protocol]:
        """In their order; the first is the headline."""
        known = protocols(self.config["define_protocols"])
        return [get_protocol(name, known) for name in self.config["protocols"]]

    @cached_property
    def degradations(self) -> dict[str, Degradation]:
        """The built-in ones and the config's own, by name."""
        return degradations(self.config["define_degradations"])

    def dataset(self, name: str) -> registry.Dataset:
        """The registry's entry, the config's own, or that of a folder of the mirror."""
        return registry.resolve(name, self.mirror, self.config["define_datasets"])

    def hr(self, name: str) -> Path:
        """The verified HR images of a data set."""
        folder = self.room / "HR" / name
        if not folder.exists():
            own = self.config["define_datasets"]
            fetch(name, folder, self.mirror, extra=own)
            verify.require(verify.verify_dir(folder, name, extra=own))
        return folder

    def lr(self, degradation: str, name: str, scale: int) -> Path:
        """The LR images of a data set; of one that declares it, those of another."""
        folder = self.room / "LR" / degradation / name / f"x{scale}"
        if not folder.exists():
            entry = self.dataset(name)
            made_by = get_degradation(degradation, self.degradations)
            make_lr(self.hr(entry.lr_of or name), folder, scale * entry.lr_times, made_by)
        return folder

    def sr_dir(self, method: str, protocol: Protocol, name: str, scale: int) -> Path:
        """Where the SR images that a protocol scores are."""
        kind = f"{protocol.degradation}-{plan.stored(method, protocol)}"
        return self.room / "SR" / method / ("given" if method in self.config["sr"] else kind) / name / f"x{scale}"

    def sr(self, method: str, protocol: Protocol, name: str, scale: int) -> Path:
        """The SR images that a protocol scores."""
        folder = self.sr_dir(method, protocol, name, scale)
        if folder.exists():
            return folder
        if pattern := self.config["sr"].get(method):
            theirs = folder_of(pattern, name, scale, Path())
            if (names := take(theirs, self.hr(name), folder)) != Affixes():
                print(f"srgrid: {theirs}: names read as {names}", file=sys.stderr)
            return folder
        lr, options = self.lr(protocol.degradation, name, scale), self.options(plan.stored(method, protocol), method)
        degradation = self.degradations[protocol.degradation]
        upscale_dir(lr, folder, self.model(method, scale), scale, degradation=degradation, options=options)
        return folder

    def model(self, method: str, scale: int) -> str:
        """What enlarges for a column."""
        given = self.config["weights"].get(method)
        return str(plan.weights_path(given, scale, Path())) if given else method

    def options(self, kind: Kind, method: str) -> Options:
        """How a column is upscaled. Raises SrgridError for a word that is none of the choices."""
        compute, upscale = self.config["compute"], self.config["upscale"]
        own = {key: upscale[key].get(method) for key in ("rgb_range", "tile")}
        return Options(kind=kind, **compute, ensemble=upscale["ensemble"], **own)

    def score(self, keep: bool) -> None:
        """Score every cell. keep: the SR images that the first protocol scores, for the card."""
        enlarged = any(method not in self.config["sr"] for method in self.config["methods"])
        for name, scale in self.cells:
            self.hr(name)
            for protocol in self.protocols if enlarged else ():
                self.lr(protocol.degradation, name, scale)
            for method in self.config["methods"]:
                try:
                    self.parts += self.score_column(method, name, scale, self.protocols)
                except SrgridError as error:
                    raise SrgridError(f"column {method}, {name} x{scale}: {error}") from None
                kept = self.sr_dir(method, self.protocols[0], name, scale) if keep else None
                for folder in (self.room / "SR" / method).glob(f"*/{name}/x{scale}"):
                    if folder != kept:
                        shutil.rmtree(folder)

    def score_column(self, method: str, name: str, scale: int, rules: Sequence[Protocol]) -> list[Path]:
        """Score a method's images under protocols, as `srgrid cells` does, into the files that are returned."""
        sr = {protocol.name: self.sr(method, protocol, name, scale) for protocol in rules}
        named = {protocol.name: protocol for protocol in rules}
        column, metrics = (name, scale, method), get_metrics(self.config["metrics"])
        return scoring.score_cells(self.room / "scores", self.hr(name), sr, column, named, metrics)

    def report(self, command: str, drawn: bool) -> Benched:
        """Make the tables and, if it is `drawn`, the card."""
        from srgrid.provenance import write_provenance
        from srgrid.report.cardata import gather
        from srgrid.report.export import export
        from srgrid.report.grid import make_grid

        tex, made = (self.results / name for name in ("grid.tex", "provenance.json"))
        make_grid(self.parts, self.results, plan.order(self.config))
        scales = sorted({scale for _, scale in self.cells})
        weights = {(m, s): Path(self.model(m, s)) for m in plan.networks(self.config) for s in scales}
        missing = plan.undeclared(self.config, self.dataset)
        write_provenance(made, self.config, list(map(self.hr, self.config["datasets"])), weights, missing, command)
        export(self.results)
        if drawn:
            self.card()
        return Benched(gather(self.results), tex.read_text(encoding="utf-8"))

    def card(self) -> None:
        """Draw every cell's figure and previews, and render the card."""
        from srgrid.report.card import build_card

        for name, scale in self.cells:
            self.draw(name, scale)
        build_card(self.results)

    def draw(self, name: str, scale: int) -> None:
        """A cell's figure and previews, from the tables of the results."""
        from srgrid.report.figures import show
        from srgrid.report.selection import Wanted
        from srgrid.report.sources import open_cell

        wanted, protocol = self.config["figures"], self.protocols[0]
        folders = {method: self.sr(method, protocol, name, scale) for method in self.config["methods"]}
        scores, hr = self.results / "scores.csv", self.hr(name)
        cell = open_cell(scores, hr, folders, dataset=name, scale=scale, protocol=protocol.name)
        boxes = {image: tuple(box) if box else None for image, box in wanted["show"].get(name, {}).items()}
        shown = Wanted(wanted["images"], wanted["crop"], boxes)
        png, previews = (self.results / folder / f"{name}_x{scale}" for folder in ("figures", "previews"))
        show(cell, shown, png.with_suffix(".png"), previews, wanted["whole"])

    def files(self) -> list[str]:
        """All that the run made, the record of its tables last."""
        made = sorted(str(file.relative_to(self.results)) for file in self.results.rglob("*") if file.is_file())
        return sorted(made, key=TABLES.__eq__)


def _as_option(line: str) -> str:
    """A fault of a config, told of the option that it comes from."""
    key, colon, fault = line.partition(": ")
    for known, option in _OPTIONS.items():
        if key == known or key.startswith(f"{known}."):
            return f"{option} {key[len(known) + 1 :]}".rstrip() + colon + fault
    return line


def _mirror(given: Path | None, folders: Mapping[str, Path], place: Path) -> Path | None:
    """A mirror that has folders of one's own besides what a given one has; nothing is copied."""
    if not folders:
        return given
    place.mkdir()
    for entry in given.iterdir() if given else ():
        if entry.name not in folders:
            (place / entry.name).symlink_to(entry.absolute())
    for name, folder in folders.items():
        (place / name).mkdir()
        (place / name / "HR").symlink_to(folder.absolute())
    return place


def _check_target(target: Path, config: Config, folders: Mapping[str, Path]) -> None:
    """Raise SrgridError if a folder cannot be written to, or is among what is read."""
    if target.exists() and not target.is_dir():
        raise SrgridError(f"{target}: is a file; give a folder")
    sr = [
        folder_of(p, n, s, Path()) for p in config["sr"].values() for n in config["datasets"] for s in config["scales"]
    ]
    keep_apart(target, *folders.values(), *sr)


def _deliver(run: Path, target: Path, names: Sequence[str]) -> None:
    """Copy files of a finished run into a folder, each whole; a new folder is there whole, or not at all."""
    new = not target.exists()
    try:
        for name in names:
            with staged_file(target / name) as staged:
                shutil.copyfile(run / name, staged)
    except BaseException:
        if new:
            shutil.rmtree(target, ignore_errors=True)
        raise
