"""The command line: parse, call, print. Each step of the workflow is one command of the same name."""

from __future__ import annotations

import contextlib
import os
import sys
from enum import IntEnum
from typing import NoReturn

import click

from srgrid import __version__, heap
from srgrid.cli import bench, check, completion, cost, data, images, report, scores, training, verify, workflow
from srgrid.cli.options import example
from srgrid.errors import SrgridError
from srgrid.files import trouble
from srgrid.signals import Signalled, raise_when_stopped
from srgrid.train.stop import Interrupted


class Exit(IntEnum):
    """Exit statuses (sysexits.h, and 128 + signal number)."""

    READER_GONE = 1  # as Click ends when a pipe's reader has left
    BAD_INPUT = 2
    INTERNAL = 70
    INTERRUPTED = 130


@click.group(
    context_settings={"show_default": True},
    epilog=example("srgrid bench rcan-bam-s --dataset Set5 --scale 4", "srgrid bench --help"),
)
@click.version_option(__version__, message="srgrid %(version)s")
def app() -> None:
    """Super-resolution benchmark: exact LR images, declared protocols, honest grids."""


for _command in (
    *(bench.bench, check.check, scores.compare, workflow.workflow),
    *(data.data, images.lr, images.upscale, images.sr, cost.cost),
    *(training.pack_hr, training.pack, training.train),
    *(scores.score, scores.cells, scores.grid, scores.audit, report.figure, report.provenance, report.card),
    *(verify.verify, verify.why, verify.crate, completion.completion),
):
    app.add_command(_command)


def main() -> NoReturn:
    """Run the command line; report what a user can mend in one message, without a traceback."""
    # One thread per process for the numpy steps: several run side by side, and more threads make them slower.
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    heap.keep_freed()
    raise_when_stopped()
    try:
        _run()
    except SrgridError as error:
        _stop(f"error: {error}", Exit.BAD_INPUT)
    except (Interrupted, Signalled) as stopped:
        _stop(str(stopped), stopped.exit_status)
    except KeyboardInterrupt:
        _stop("interrupted; nothing half-written is left", Exit.INTERRUPTED)
    except BrokenPipeError:
        _drop_stdout()
        sys.exit(int(Exit.READER_GONE))
    except OSError as error:
        if os.environ.get("SRGRID_DEBUG"):
            raise
        _drop_stdout()
        _stop(f"error: {trouble(error, 'standard output')}", Exit.BAD_INPUT)
    except Exception as error:
        if os.environ.get("SRGRID_DEBUG"):
            raise
        _stop(f"internal error: {type(error).__name__}: {error}; SRGRID_DEBUG=1 shows where", Exit.INTERNAL)


def _run() -> NoReturn:
    try:
        status = app.main(prog_name="srgrid", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort as stopped:  # Click's word for a KeyboardInterrupt
        raise stopped.__cause__ or stopped from None
    if sys.stdout:
        sys.stdout.flush()  # here, where its failure can be told
    sys.exit(status or 0)


def _drop_stdout() -> None:
    """Send what could not be printed nowhere, or Python tries again at its end and complains."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(message: str, status: int) -> NoReturn:
    print(f"srgrid: {message}", file=sys.stderr)
    sys.exit(int(status))
