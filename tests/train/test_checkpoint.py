"""The state folder: torn checkpoints, foreign states, two processes at once."""

import subprocess
import sys
import time

import pytest
import torch

from srgrid.train import checkpoint
from srgrid.train.checkpoint import State


def _content(step):
    return {"step": step, "model": {"w": torch.full((100,), float(step))}}


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state", {"model": "a", "recipe": {"lr": 0.1}})
    with state.locked():
        state.claim()
        yield state


def test_the_last_two_are_kept_and_the_newest_is_found(state):
    for step in (9, 10, 100):
        state.save(_content(step))
    assert [p.name for p in sorted(state.folder.glob("*.ckpt"))] == ["step-000000010.ckpt", "step-000000100.ckpt"]
    assert state.latest()["step"] == 100
    assert state.best() is None
    state.save_best(_content(10))
    assert state.best()["step"] == 10


@pytest.mark.parametrize("keep", [0, 10, 60, 200, 0.5, -1])
def test_a_torn_checkpoint_falls_back_to_the_one_before(state, capsys, keep):
    state.save(_content(1))
    newest = state.save(_content(2))
    whole = newest.read_bytes()
    newest.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    assert state.latest()["step"] == 1
    assert "step-000000002.ckpt: torn checkpoint" in capsys.readouterr().err
    assert not newest.exists()


def test_a_flipped_bit_is_found(state):
    path = state.save(_content(3))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert checkpoint.read(path) is None
    assert state.latest() is None


def test_a_users_own_files_stay_when_a_training_is_set_aside(state):
    state.save(_content(5))
    (state.folder / "notes.txt").write_text("mine")
    State(state.folder, {"model": "a", "recipe": {"lr": 0.2}}).claim()
    assert (state.folder / "notes.txt").read_text() == "mine"
    assert (state.folder / "set-aside-1/step-000000005.ckpt").exists()


def test_the_state_of_another_training_is_set_aside(state, capsys):
    state.save(_content(5))
    State(state.folder, state.identity).claim()
    assert state.latest()["step"] == 5
    other = State(state.folder, {"model": "a", "recipe": {"lr": 0.2}})
    other.claim()
    assert other.latest() is None
    assert "different: recipe.lr" in capsys.readouterr().err
    assert (state.folder / "set-aside-1" / "step-000000005.ckpt").exists()
    state.claim()
    assert (state.folder / "set-aside-2").is_dir()


_HOLD = """
import sys, time
from pathlib import Path
from srgrid.train.checkpoint import State
with State(Path(sys.argv[1]), {}).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_waits_and_says_for_whom(tmp_path):
    folder = str(tmp_path / "state")
    run = [sys.executable, "-c", _HOLD, folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(run, **pipes) as first:
        assert first.stdout.readline() == "held\n"
        with subprocess.Popen(run, **pipes) as second:
            said = second.stderr.readline()
            assert f"in use by process {first.pid}" in said
            time.sleep(0.2)
            assert second.poll() is None
            first.kill()  # a killed holder's lock is gone with it
            assert second.stdout.readline() == "held\n"
            second.communicate("")
            assert second.returncode == 0
