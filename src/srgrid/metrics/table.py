"""The metrics: records in a table, one file a metric. It is read where a workflow is planned, so it stays light."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from srgrid.errors import SrgridError
from srgrid.metrics.psnr import psnr
from srgrid.metrics.ssim import ssim

if TYPE_CHECKING:
    from srgrid.metrics.pair import Pair

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TAKEN = ("dataset", "scale", "method", "protocol", "image", "images", "note")  # other columns of the tables


@dataclass(frozen=True)
class Metric:
    """What the tables and the card need to know of a metric, and the function that computes it."""

    name: str  # in configs, and as the column of the tables
    label: str  # on the card
    unit: str  # of its values; "" without one
    stored: int  # decimals in the tables
    printed: int  # decimals on the card
    higher_is_better: bool
    compares: Literal["luma", "rgb"]
    version: str  # a new one whenever values change: scores of two versions do not go together
    function: Callable[[Pair], float]
    low: float | None = None  # the least and greatest value; None: without bound, so that inf is a value too
    high: float | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise SrgridError(f"metric {self.name!r}: choose another name, of a-z, 0-9 and -, and not {_TAKEN}")

    @property
    def heading(self) -> str:
        """The label with what a reader has to know: "PSNR (dB)", "MAE (lower is better)"."""
        notes = [note for note in (self.unit, "" if self.higher_is_better else "lower is better") if note]
        return f"{self.label} ({', '.join(notes)})" if notes else self.label

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1: the sign of an improvement."""
        return 1 if self.higher_is_better else -1

    def rank(self, value: float, values: Sequence[float]) -> int:
        """The place of a value among some, as they are printed: 1 for the best, equal ones alike. 0 has a value that is
        alone or undefined (NaN), and the worst, unless all are equal."""
        known = [round(one, self.printed) for one in values if not math.isnan(one)]
        places = sorted(set(known), key=lambda one: -self.sign * one)
        place = places.index(round(value, self.printed)) + 1 if not math.isnan(value) else 0
        return 0 if len(known) == 1 or 1 < place == len(places) else place


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("psnr", "PSNR", "dB", 6, 2, True, "luma", "1", psnr, low=0.0),
        Metric("ssim", "SSIM", "", 8, 4, True, "luma", "1", ssim, low=-1.0, high=1.0),
    )
}
PSNR_SSIM = (METRICS["psnr"], METRICS["ssim"])


def get_metrics(names: Iterable[str]) -> list[Metric]:
    """The metrics of these names: rows of METRICS, or one's own, `module:NAME`, a Metric in an installed module.

    Raises SrgridError for a name that stands for no metric, and for two metrics of one name.
    """
    found = [METRICS[name] if name in METRICS else _own(name) for name in names]
    own_names = [metric.name for metric in found]
    if not found or len(set(own_names)) < len(own_names):
        raise SrgridError(f"{', '.join(own_names) or 'no metrics'}: give at least one metric, and each once")
    return found


def _own(name: str) -> Metric:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise SrgridError(f"unknown metric {name!r}; choose of {', '.join(METRICS)}, or give your own as module:NAME")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SrgridError(f"metric {name!r}: cannot be imported ({error}); install its module beside srgrid") from None
    if not isinstance(found, Metric):
        raise SrgridError(f"metric {name!r}: is no srgrid.metrics.Metric; give a module and the name of one in it")
    return found


def to_records(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """All but the functions, for JSON: what reports need to know of a run's metrics."""
    names = [field.name for field in fields(Metric) if field.name != "function"]
    return [{name: getattr(metric, name) for name in names} for metric in metrics]


def from_records(records: Iterable[Mapping[str, Any]]) -> list[Metric]:
    """Metrics as `to_records` wrote them down; they show values and compute none."""
    names = [field.name for field in fields(Metric) if field.name != "function"]
    return [Metric(**{name: record[name] for name in names}, function=_not_here) for record in records]


def _not_here(pair: Pair) -> NoReturn:
    raise SrgridError("this metric was read from a run's tables, which hold no function; score with the metric itself")
