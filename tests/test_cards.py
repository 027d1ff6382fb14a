"""Which cards a machine shows, and that each process has one of its own."""

import subprocess
import sys

import pytest

from srgrid import cards

CARDS = ["GPU-a", "GPU-b"]
TAKES = """
import sys; from pathlib import Path; from srgrid import cards
print(cards.take({}, Path(sys.argv[1])), flush=True); input()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi and device files the test makes."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "dev").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(cards, "_DEVICES", tmp_path / "dev")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def smi(machine, text):
    file = machine / "bin" / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_cards_are_counted_by_nvidia_smi_or_their_device_files(machine, monkeypatch):
    smi(machine, "exit 9")  # it is there, and finds no driver
    assert cards.shown() == cards.Shown(0)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (machine / "dev" / name).touch()
    assert cards.shown() == cards.Shown(2)
    smi(machine, "printf '550.54.15\\n550.54.15\\n550.54.15\\n'")
    assert cards.shown() == cards.Shown(3, "550.54.15")
    for chosen, number in {"1": 1, "0,2": 2, "": 0, "-1": 0, "0,-1,1": 1}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert cards.shown().number == number, chosen


def job(folder, names=CARDS):
    """A process that takes a card and keeps it until it is told to end."""
    code = TAKES.format(names)
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=-1, stdout=-1, text=True)


def test_two_jobs_hold_two_cards_and_a_third_none_until_one_ends(tmp_path):
    with job(tmp_path) as first, job(tmp_path) as second:
        held = {first.stdout.readline().strip(), second.stdout.readline().strip()}
        assert held == {"0", "1"}
        with job(tmp_path) as third:
            assert third.stdout.readline().strip() == "None"
            third.communicate("\n")
        first.kill()  # the lock goes with the process, however it ends
        first.wait()
        with job(tmp_path) as fourth:
            assert fourth.stdout.readline().strip() in held
            fourth.communicate("\n")
        second.communicate("\n")


def test_a_process_keeps_its_card(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "_held", {})
    with job(tmp_path) as other:
        other.stdout.readline()
        assert [cards.take(CARDS, tmp_path) for _ in range(2)] == [1, 1]
        other.communicate("\n")
    assert cards.take(["GPU-c"], tmp_path / "nowhere") is None  # a folder that cannot be written locks nobody out
    for file in cards._held.values():
        file.close()
