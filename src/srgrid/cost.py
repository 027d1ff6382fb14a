"""What every column of a run costs: what is counted of it (srgrid.models.cost), and, if asked for, what is measured.

torch is imported only when a network is asked for.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from srgrid.clock import peak_growth, quartiles, times
from srgrid.code import version
from srgrid.environment import cpu_name
from srgrid.errors import SrgridError
from srgrid.images import Array
from srgrid.interpolate import INTERPOLATORS
from srgrid.models.find import locate
from srgrid.progress import track
from srgrid.settings import Costs, Options

UNKNOWN_MEMORY = "memory not measured: this system does not tell it"
# Of seconds, multiply-adds and parameters (Ren et al. 2025, NTIRE 2025 challenge on efficient super-resolution).
SCORE_WEIGHTS = (0.7, 0.15, 0.15)
_NAMES = {"bicubic": "bicubic-matlab"}


@dataclass(frozen=True)
class Column:
    """A method at a scale. model: "bicubic" (MATLAB's), an interpolator, or what `srgrid.models.load` takes; empty:
    finished SR images of another program."""

    method: str
    scale: int
    model: str = ""
    rgb_range: float | None = None

    def __str__(self) -> str:
        return f"{self.method} x{self.scale}"


@dataclass(frozen=True)
class Cost:
    """A row of costs.csv; None, or an empty text, is an empty cell, which `note` explains.

    parameters, multiply_adds, activations: see `srgrid.models.cost`, for the LR size counted_at ("320x180"). seconds:
    of one image of the LR size measured_at, median and quartiles. score: NTIRE's, lower is better.
    """

    method: str
    scale: int
    parameters: int | None = None
    multiply_adds: int | None = None
    activations: int | None = None
    counted_at: str = ""
    seconds: float | None = None
    seconds_low: float | None = None
    seconds_high: float | None = None
    repeats: int | None = None
    measured_at: str = ""
    memory_bytes: int | None = None
    device: str = ""
    precision: str = ""
    threads: int | None = None
    torch: str = ""
    score: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Priced:
    """A column's cost, and the sha256 of the weights that it was found of, if it has any."""

    cost: Cost
    weights_sha256: str | None = None


def costs(
    columns: Sequence[Column], how: Costs = Costs(), options: Options = Options(precision="fp32")
) -> list[Priced]:
    """The cost of every column, in their order.

    Each is measured in a process of its own, one after another. options: device, precision and threads are taken.
    Raises SrgridError, naming the column, for a model that cannot be loaded, fails, runs out of memory or gives no
    finite answer.
    """
    if not how.measure and how.baseline:
        raise SrgridError(f"baseline {how.baseline}: the score needs measured seconds; measure, or leave it out")
    price = _alone if how.measure else _price
    found = [price(column, how, options) for column in track(list(columns), "costs")]
    return _scored(found, how.baseline) if how.baseline else found


def score(cost: Cost, baseline: Cost) -> float | None:
    """The efficiency score of NTIRE 2025: 0.7, 0.15 and 0.15 times exp(2 r), for the ratio r of seconds, multiply-adds
    and parameters to the baseline's; exp(2) = 7.389 of the baseline itself. None where one of them is not known.
    """
    pairs = [(getattr(cost, name), getattr(baseline, name)) for name in ("seconds", "multiply_adds", "parameters")]
    if any(own is None or not other for own, other in pairs):
        return None
    try:
        parts = [weight * math.exp(2 * own / other) for weight, (own, other) in zip(SCORE_WEIGHTS, pairs, strict=True)]
    except OverflowError:
        return math.inf
    return sum(parts)


def _scored(found: list[Priced], baseline: str) -> list[Priced]:
    base = {priced.cost.scale: priced.cost for priced in found if priced.cost.method == baseline}
    for priced in found:
        own = base.get(priced.cost.scale)
        if own is None or score(own, own) is None:
            lacks = "is no column" if own is None else "lacks seconds, multiply-adds or parameters"
            raise SrgridError(f"baseline {baseline}: {lacks} at scale {priced.cost.scale}; name a network of the run")
    return [replace(one, cost=replace(one.cost, score=score(one.cost, base[one.cost.scale]))) for one in found]


def _price(column: Column, how: Costs, options: Options) -> Priced:
    try:
        if not column.model:
            note = "finished SR images of another program: nothing was run"
            return Priced(Cost(column.method, column.scale, note=note))
        if (name := _NAMES.get(column.model, column.model)) in INTERPOLATORS:
            return Priced(_interpolator(column, INTERPOLATORS[name].enlarge, how))
        return _network(column, how, options)
    except SrgridError as error:
        raise SrgridError(f"{column}: {error}") from None


def _interpolator(column: Column, enlarge: Callable[[Array, int], Array], how: Costs) -> Cost:
    note = "no network: operations are not counted"
    cost = Cost(column.method, column.scale, parameters=0, note=note)
    if not how.measure:
        return cost
    width, height = how.size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    _, memory = peak_growth(lambda: enlarge(image, column.scale))
    times(lambda: enlarge(image, column.scale), how.warmup - 1)
    return _measured(
        replace(cost, device=cpu_name()), how.size, times(lambda: enlarge(image, column.scale), how.repeats), memory
    )


def _network(column: Column, how: Costs, options: Options) -> Priced:
    import torch

    from srgrid.models.cost import count, measure
    from srgrid.models.devices import choose
    from srgrid.models.loading import load

    if options.threads:
        torch.set_num_threads(options.threads)
    network = load(locate(column.model, column.scale), column.scale, column.rgb_range)
    counted = count(network)
    cost = Cost(
        *(column.method, column.scale, counted.parameters, counted.multiply_adds, counted.activations),
        counted_at=f"{counted.width}x{counted.height}",
        note=counted.note,
    )
    if how.measure:
        network.to(choose(options.device))
        width, height = how.size
        took = measure(network, str(column), (width, height), how.warmup, how.repeats, options.precision)
        cost = replace(cost, device=took.device, precision=took.precision, threads=torch.get_num_threads())
        cost = _measured(replace(cost, torch=version("torch")), took.size, took.seconds, took.memory)
    return Priced(cost, network.sha256)


def _measured(cost: Cost, size: Sequence[int], seconds: Sequence[float], memory: int | None) -> Cost:
    low, median, high = quartiles(seconds)
    note = cost.note if memory is not None else "; ".join(filter(None, [cost.note, UNKNOWN_MEMORY]))
    cost = replace(cost, seconds=median, seconds_low=low, seconds_high=high, repeats=len(seconds))
    return replace(cost, measured_at="x".join(map(str, size)), memory_bytes=memory, note=note)


def _alone(column: Column, how: Costs, options: Options) -> Priced:
    """The same in a fresh process: nothing that ran before is in its memory, and a lack of it ends that one alone."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, column, how, options))
    process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        process.join()
        raise SrgridError(
            f"{column}: the process that measured it was ended ({process.exitcode}), most likely for want of memory;"
            " take a smaller size, or do not measure"
        ) from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Priced)
    return answer


def _answer(sender: Connection, *arguments: Any) -> None:
    try:
        sender.send(_price(*arguments))
    except SrgridError as error:
        sender.send(SrgridError(str(error)))
    except Exception as error:  # of any class, also one that the other process does not know
        sender.send(RuntimeError(f"{type(error).__name__}: {error}"))
