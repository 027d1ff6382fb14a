"""The training loop."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch

from srgrid import environment
from srgrid.data.pack import Pack
from srgrid.errors import SrgridError
from srgrid.metrics import METRICS, measure
from srgrid.models.network import Network
from srgrid.models.run import NotFiniteError, to_uint8, upscale_float
from srgrid.models.tensors import first_not_finite
from srgrid.settings import Precision
from srgrid.train.batches import Planner, Source, source, split
from srgrid.train.checkpoint import State, floats, tell
from srgrid.train.console import Line
from srgrid.train.learner import Learner, arithmetic, fresh
from srgrid.train.log import Log
from srgrid.train.origin import identity_of, origin_of, settle_precision
from srgrid.train.recipes import TrainConfig
from srgrid.train.schedule import lr_at, patch_at
from srgrid.train.stop import Interrupted, StopFlag, listening
from srgrid.train.team import Team, gathered

_VALIDATED_SIDE = 96  # LR pixels: validation looks at the middle of each held-out image


@dataclass
class Progress:
    """How far a training is: all of it is in every checkpoint."""

    step: int = 0
    seconds: float = 0.0  # of training, over all sessions before this one
    sessions: int = 0
    psnr: float | None = None
    best: float | None = None
    loss: float = 0.0  # sum since the last log line
    done: bool = False


def train(
    model_name: str,
    scale: int,
    pack_path: Path,
    out_path: Path,
    state_dir: Path,
    recipe: TrainConfig,
    init: Path | None = None,
) -> dict[str, Any]:
    """Train a model on a pack, or go on where `state_dir` left off, and write its averaged weights to `out_path`.

    A sidecar `out_path` with suffix .json holds what was measured (seconds, hardware, versions); the weights file holds
    only what decided them, so on one machine's CPU the same call gives the same bytes, interrupted or not.
    init: weights whose trunk (or all, at the same scale) to start from.
    Returns steps, seconds, loss-free summary values and the PSNR on the held-out images (None if there are none).
    Raises SrgridError for bad input, Interrupted after SIGTERM or SIGINT (a checkpoint is then in `state_dir`).
    """
    started = time.monotonic()
    if out_path.suffix != ".safetensors":
        raise SrgridError(f"{out_path}: weights are written as .safetensors; choose such a name")
    with gathered(recipe.device) as team, listening() as stop, _threads(recipe.threads):
        pack = Pack.open(pack_path)
        if pack.scale != scale:
            raise SrgridError(f"{pack_path}: packed for scale {pack.scale}, not {scale}; pack the images again")
        recipe = recipe.warm() if init else recipe
        training, held_out = split(pack, recipe.held_out)
        planner = Planner(pack, training, recipe)
        network = fresh(model_name, scale, recipe, init)
        origin = origin_of(network, pack, held_out, recipe, init)
        state = State(Path(state_dir), identity_of(origin))
        with state.locked() if team.leads else contextlib.nullcontext():
            recipe = settle_precision(recipe, network, state, team)
            with arithmetic(recipe, team.device):
                learner = Learner(network, recipe, team)
                origin |= {"recipe": state.identity["recipe"]}
                session = Session(recipe, team, stop, state, learner, _resume(state, learner, team), started)
                if not session.progress.done:
                    session.steps, session.validation = _budget(recipe, planner), (pack, held_out)
                    _loop(session, _batches(session, planner, pack))
                return _finish(session, origin, out_path)


@dataclass
class Session:
    """What the loop works with."""

    recipe: TrainConfig
    team: Team
    stop: StopFlag
    state: State
    learner: Learner
    progress: Progress
    started: float
    steps: int | None = None
    validation: tuple[Pack, list[int]] | None = None  # a pack, and which of its images are held out
    log: Log | None = None  # of process 0 alone

    def __post_init__(self) -> None:
        self.progress.sessions += 1
        self.total = torch.tensor(self.progress.loss, dtype=torch.float64, device=self.team.device)
        self.shown = (self.progress.step, time.monotonic())

    def seconds(self) -> float:
        """Seconds of training so far, this session's included."""
        return self.progress.seconds + time.monotonic() - self.started

    @contextlib.contextmanager
    def uncounted(self, line: Line) -> Iterator[None]:
        """Within it, a step is compiled: the time is told, and does not count as training."""
        begun = time.monotonic()
        line.say("compiling, for a minute or more; that does not count as training")
        yield
        line.shown = time.monotonic()
        self.started += line.shown - begun
        self.shown = (self.progress.step + 1, line.shown)

    def used(self) -> float:
        """The share of the budget that is used up."""
        if self.steps is not None:
            return self.progress.step / self.steps
        return self.seconds() / (60 * (self.recipe.minutes or math.inf))

    def go_on(self) -> float:
        """The share used up, for all processes; below 1 there is a step to do.

        Raises Interrupted, after a checkpoint, when a signal came in.
        """
        used, signum = self.team.agree(self.used(), self.stop.signum)
        at = self.progress
        if used >= 1 and not at.step:
            raise SrgridError(
                f"training budget: {self.recipe.minutes} minutes were over before the first step; give more"
            )
        if used < 1 and signum:
            self.checkpoint()
            name = signal.Signals(int(signum)).name
            raise Interrupted(int(signum), f"stopped by {name} at step {at.step}; the same command goes on from there")
        return used

    def require_finite(self) -> None:
        """Raise SrgridError if the training has diverged: a loss, a weight or a momentum is not finite.

        On a GPU this waits for the device: for validations, checkpoints and the end, not for every step.
        """
        self.progress.loss = float(self.total)
        bad = None if math.isfinite(self.progress.loss) else "the loss"
        if bad := bad or first_not_finite(floats(self.learner.content())):
            raise self.diverged(f"{bad} is not finite")

    def diverged(self, what: str) -> SrgridError:
        """The error of a training that ran away."""
        advice = "lower lr" if self.recipe.clip else "lower lr, or set clip,"
        precision = "bf16" if self.recipe.precision == "bf16" else "fp32"
        return SrgridError(
            f"training diverged before step {self.progress.step} in {precision} ({what}); {advice} and retry"
        )

    def checkpoint(self) -> None:
        """Save everything; raises SrgridError instead, and leaves older checkpoints, if the training has diverged."""
        self.require_finite()
        if self.team.leads:
            now = asdict(self.progress) | {"seconds": self.seconds()}
            self.state.save(now | self.learner.content())

    def show(self, line: Line) -> None:
        """Show where the training is, now and then."""
        if not line.due(self.used()):
            return
        step, now = self.progress.step, time.monotonic()
        speed = (step - self.shown[0]) * self.recipe.batch / (now - self.shown[1])
        summed = step % self.recipe.log_every or self.recipe.log_every
        line.show(step, self.used(), speed, float(self.total) / summed, self.progress.psnr)
        self.shown = (step, now)

    def note(self, rate: float) -> None:
        """Log the mean loss since the last time. Raises SrgridError if it is not finite."""
        loss = self.team.mean(self.total) / self.recipe.log_every
        self.total.zero_()
        if not math.isfinite(loss):
            raise self.diverged(f"loss {loss}")
        if self.log:
            self.log.add(self.progress.step, self.seconds(), loss=loss, lr=rate)


def _batches(session: Session, planner: Planner, pack: Pack) -> Source:
    """Where batches come from; on a GPU beside what a step needs of its memory."""
    recipe, team = session.recipe, session.team
    share = team.share(recipe.batch)
    needed = 0 if team.device.type == "cpu" else session.learner.needed(share, max(recipe.patches))
    return source(pack, planner, team.device, share, needed)


def _loop(session: Session, batches: Source) -> None:
    recipe, learner, at = session.recipe, session.learner, session.progress
    team, label = session.team, f"train {learner.network.name} x{learner.network.scale}"
    session.log = Log(session.state.folder, at.step, recipe.tensorboard) if team.leads else None
    with Line(label, not team.leads, session.steps) as line:
        while (used := session.go_on()) < 1:
            rate = lr_at(recipe, used)
            lr, hr = batches(at.step, patch_at(recipe, used))
            with session.uncounted(line) if learner.is_new(lr) else contextlib.nullcontext():
                session.total += learner.step(at.step, lr, hr, rate)
            at.step += 1

            session.show(line)
            if at.step % recipe.log_every == 0:
                session.note(rate)
            if at.step % recipe.validate_every == 0:
                _validate(session)
            if at.step % recipe.checkpoint_every == 0:
                session.checkpoint()

        if at.step % recipe.validate_every:
            _validate(session)
        at.done = True
        session.checkpoint()
        at.seconds = session.seconds()
        line.say(f"{at.step} steps in {at.seconds:.0f} s" + (f", PSNR {at.psnr:.2f} dB" if at.psnr is not None else ""))
    if session.log:
        session.log.close()


def _validate(session: Session) -> None:
    at, network = session.progress, session.learner.averaged
    session.require_finite()
    pack, held_out = session.validation or (None, [])
    if pack is None or not held_out or not session.team.leads:
        return
    try:
        at.psnr = validate(network, pack, held_out, session.recipe.precision)
    except NotFiniteError as error:
        raise session.diverged(str(error)) from None
    if session.log:
        session.log.add(at.step, session.seconds(), psnr=at.psnr)
    if at.best is None or at.psnr > at.best:
        at.best = at.psnr
        session.state.save_best({"step": at.step, "psnr": at.psnr, "average": network.module.state_dict()})


def validate(network: Network, pack: Pack, indices: list[int], precision: Precision = "auto") -> float:
    """Mean PSNR in dB (protocol rgb8) of the middle of the given images of a pack."""
    found: list[float] = []
    for index in indices:
        lr, hr, scale = pack.lr(index), pack.hr(index), pack.scale
        top, left = (max(0, (n - _VALIDATED_SIDE) // 2) for n in lr.shape[:2])
        height, width = (min(n, _VALIDATED_SIDE) for n in lr.shape[:2])
        part = np.ascontiguousarray(lr[top : top + height, left : left + width])
        truth = hr[scale * top : scale * (top + height), scale * left : scale * (left + width)]
        sr = to_uint8(upscale_float(network, [part], precision=precision, names=[pack.entries[index].name])[0])
        found += measure(sr, np.ascontiguousarray(truth), scale, "rgb8", [METRICS["psnr"]], rgb=True).values()
    # The last bits depend on how many threads BLAS sums with; the weights' header, which holds this, must not.
    return round(float(np.mean(found)), 6)


def _budget(recipe: TrainConfig, planner: Planner) -> int | None:
    if recipe.epochs is not None:
        return max(1, recipe.epochs * planner.epoch_items // recipe.batch)
    return recipe.steps


def _resume(state: State, learner: Learner, team: Team) -> Progress:
    """Claim the state folder and restore its newest whole checkpoint: process 0's, which alone may see the folder."""
    if team.leads:
        state.claim()
    content = team.told(state.latest() if team.leads else None)
    if content is None:
        return Progress()
    learner.restore(content)
    progress = _progress(content)
    if team.leads:
        tell(f"{state.folder}: going on from step {progress.step}")
    return progress


def _progress(content: dict[str, Any]) -> Progress:
    """Raises SrgridError if a checkpoint lacks what a training needs to go on, or has it of another type."""
    kinds = {"step": (int,), "sessions": (int,), "done": (bool,), "psnr": (float, NoneType), "best": (float, NoneType)}
    values: dict[str, Any] = {field: content.get(field) for field in Progress.__dataclass_fields__}
    for field, value in values.items():
        if type(value) not in kinds.get(field, (float,)) or (isinstance(value, float) and not math.isfinite(value)):
            raise SrgridError(f"checkpoint: its {field} is {str(value)[:40]}; delete the state folder and train again")
    return Progress(**values)


def _take_best(state: State, learner: Learner) -> tuple[int, float]:
    """Load the best weights into the average; returns their step and PSNR. Raises SrgridError if they are lost."""
    best = state.best()
    try:
        if best is None:
            raise KeyError
        learner.average.load_state_dict(best["average"])
        return int(best["step"]), float(best["psnr"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        raise SrgridError(
            f"{state.folder / 'best.ckpt'}: missing or damaged: the best weights are lost; delete the folder to train"
            " again, or choose export: last"
        ) from None


def _finish(session: Session, origin: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the weights and, beside them, what was measured; returns the summary."""
    progress, learner, team = session.progress, session.learner, session.team
    exported, psnr = progress.step, progress.psnr
    if session.recipe.export == "best" and team.leads:
        exported, psnr = _take_best(session.state, learner)
    summary = {"steps": progress.step, "exported_step": exported, "psnr": psnr}
    if team.leads:
        made = origin | summary
        trained = replace(learner.averaged, provenance=made)
        trained.save(out, session.recipe.dtype)
        record = replace(trained.record, measured=_measured(session), versions=environment.versions())
        replace(record, commit=environment.commit()).write_beside(out)
    team.agree(0.0)
    return summary | {"seconds": progress.seconds, "weights": str(out)}


def _measured(session: Session) -> dict[str, Any]:
    progress, recipe, team = session.progress, session.recipe, session.team
    return {
        "seconds": round(progress.seconds, 3),
        "images_per_second": round(progress.step * recipe.batch / max(progress.seconds, 1e-9), 3),
        "sessions": progress.sessions,
        "processes": team.size,
        "device": str(team.device),
        "threads": torch.get_num_threads(),
        "hardware": environment.hardware(),
        "precision": recipe.precision,
        "compile": recipe.compile,
        "channels_last": recipe.channels_last,
        **({"tf32": recipe.tf32} if team.device.type == "cuda" else {}),
        "peak_gpu_bytes": torch.cuda.max_memory_allocated(team.device) if team.device.type == "cuda" else None,
    }


@contextlib.contextmanager
def _threads(number: int) -> Any:
    before = torch.get_num_threads()
    if number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
