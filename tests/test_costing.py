"""`srgrid cost`: columns of every kind, alone and in a table, and what stops it."""

import csv
import json
import math
import subprocess
import sys

import pytest

from srgrid.cost import Column, Cost, costs, score
from srgrid.errors import SrgridError
from srgrid.settings import Costs, Options

ENTRIES = """
import os, signal
import numpy as np, torch
from torch import nn

class Once(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.conv, self.answer = nn.Conv2d(3, 3, 1), answer

    def forward(self, x):
        return self.answer(nn.functional.interpolate(self.conv(x), scale_factor=2))

def plain(scale): return Once(lambda x: x)
def nan(scale): return Once(lambda x: x * float("nan"))
def fails(scale): return Once(lambda x: [][0])
def small(scale): return Once(lambda x: x[:, :, 1:])
def killed(scale): return Once(lambda x: x if x.shape[2] > 100 else os.kill(os.getpid(), signal.SIGKILL))
def images(scale): return lambda image: np.repeat(np.repeat(image, scale, 0), scale, 1)

def lacks(x):
    if x.shape[2] > 100:  # it can be counted
        return x
    raise torch.OutOfMemoryError("tried to allocate 8 GiB")

def oom(scale): return Once(lacks)
"""
TIMED = Costs(measure=True, size=[16, 12], warmup=1, repeats=2)


@pytest.fixture
def entry(tmp_path):
    (tmp_path / "own.py").write_text(ENTRIES)
    return f"{tmp_path}/own.py:"


def srgrid(folder, *words):
    command = [sys.executable, "-m", "srgrid", "cost", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, timeout=500)


def test_every_kind_of_column_has_a_row(entry):
    columns = [Column("bicubic", 2, "bicubic"), Column("lanczos", 2, "lanczos"), Column("theirs", 2)]
    columns += [Column("plain", 2, f"{entry}plain"), Column("images", 2, f"{entry}images")]
    bicubic, lanczos, theirs, plain, images = (one.cost for one in costs(columns))
    assert (bicubic.parameters, bicubic.multiply_adds, bicubic.note) == (0, None, lanczos.note)
    assert theirs == Cost("theirs", 2, note="finished SR images of another program: nothing was run")
    assert (plain.parameters, plain.multiply_adds, plain.activations) == (12, 9 * 640 * 360, 3 * 640 * 360)
    assert (plain.counted_at, plain.seconds, plain.device, plain.note) == ("640x360", None, "", "")
    assert (images.parameters, images.multiply_adds) == (None, None)
    assert costs(columns) == costs(columns)


def test_the_score_is_the_challenges():
    base = Cost("base", 4, parameters=276_000, multiply_adds=16_700_000_000, seconds=0.01669)
    assert score(base, base) == pytest.approx(7.3891, abs=5e-5)
    other = Cost("other", 4, parameters=138_000, multiply_adds=33_400_000_000, seconds=0.01669)
    assert score(other, base) == pytest.approx(0.7 * math.exp(2) + 0.15 * math.exp(4) + 0.15 * math.exp(1))
    assert score(Cost("bicubic", 4, parameters=0, seconds=0.01), base) is None
    assert score(Cost("huge", 4, parameters=10**12, multiply_adds=1, seconds=0.01), base) == math.inf


@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        ("fails", Costs(), "column x2: .*own.py:fails: its network failed on an input of 1 x 3 x 64 x 64: IndexError"),
        ("small", Costs(), "column x2: .*is it made for another scale"),
        ("absent", Costs(), "column x2: .*own.py has no absent"),
        ("plain", Costs(baseline="column"), "baseline column: the score needs measured seconds"),
    ],
)
def test_what_stops_counting(entry, name, how, words):
    with pytest.raises(SrgridError, match=words):
        costs([Column("column", 2, entry + name)], how)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nan", r"column x2: column x2: the network's answer in fp32 is not finite"),
        ("oom", "column x2: image of 16 x 12 pixels: not enough memory"),
        ("killed", r"column x2: the process that measured it was ended \(-9\), most likely for want of memory"),
    ],
)
def test_what_stops_measuring(entry, name, words):
    with pytest.raises(SrgridError, match=words):
        costs([Column("column", 2, entry + name)], TIMED, Options(device="cpu", precision="fp32"))


def test_the_command_measures_and_writes_a_table_and_its_record(entry, tmp_path):
    columns = ["bicubic:2=bicubic", f"plain:2={entry}plain", f"images:2={entry}images", "theirs:2="]
    words = ["--measure", "--size", "16", "12", "--repeats", "3", "--warmup", "1", "--baseline", "plain"]
    done = srgrid(tmp_path, "costs.csv", *columns, *words, "--device", "cpu", "--precision", "fp32", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "12 parameters  0.00 G multiply-adds  0.69 M activations" in done.stdout
    with (tmp_path / "costs.csv").open(newline="") as file:
        bicubic, plain, images, theirs = csv.DictReader(file)
    for row in (bicubic, plain, images):
        assert 0 < float(row["seconds_low"]) <= float(row["seconds"]) <= float(row["seconds_high"]) < 10
        assert (row["repeats"], row["measured_at"], bool(row["device"])) == ("3", "16x12", True)
    assert (plain["precision"], plain["threads"], plain["score"]) == ("fp32", "1", "7.38906")
    assert (bicubic["score"], images["score"], theirs["seconds"]) == ("", "", "")
    record = json.loads((tmp_path / "costs.json").read_text())
    assert record["columns"]["bicubic x2"] == {"weights_sha256": None}
    assert len(record["columns"]["plain x2"]["weights_sha256"]) == 64
    assert record["settings"] == {"measure": True, "size": [16, 12], "warmup": 1, "repeats": 3, "baseline": "plain"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["costs.txt", "b:2=bicubic"], "costs.txt: costs are written as .csv"),
        (["costs.csv", "bicubic"], "columns: expected METHOD:SCALE=MODEL, each once, got 'bicubic'"),
        (["costs.csv", "b:2=bicubic", "b:2=lanczos"], "each once, got 'b:2=lanczos'"),
        (["costs.csv", "b:2=bicubic", "n:2=no-such-net"], "n x2: model 'no-such-net': neither a known name"),
        (["costs.csv", "b:2=bicubic", "--measure", "--baseline", "b"], "baseline b: lacks seconds, multiply-adds or"),
    ],
)
def test_a_wrong_command_is_one_message_and_no_table(tmp_path, words, message):
    done = srgrid(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
