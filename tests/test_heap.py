"""Freed memory is kept for the next image, and given back where something wants to know what is free."""

import ctypes
import subprocess
import sys

import pytest

from srgrid import cli, heap

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")

_AGAIN = """
import resource
import numpy as np
from srgrid import heap

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

{before}
np.ones(2**26, np.uint8)
{between}
start = faults()
np.ones(2**26, np.uint8)
print(faults() - start)
"""


def _faults(before="", between=""):
    """Pages that the kernel hands out for 64 MiB when as much has just been freed."""
    script = _AGAIN.format(before=before, between=between)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_freed_memory_is_had_again_without_the_kernel():
    assert _faults("heap.keep_freed()") < _faults() / 4


def test_kept_memory_can_be_given_back():
    kept = _faults("heap.keep_freed()")
    assert _faults("heap.keep_freed()", "heap.give_back_freed()") > kept + 16


def test_every_command_keeps_what_it_frees(monkeypatch):
    called = []
    monkeypatch.setattr(heap, "keep_freed", lambda: called.append(True))
    monkeypatch.setattr(cli, "raise_when_stopped", lambda: None)
    monkeypatch.setattr(sys, "argv", ["srgrid", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert called
