"""Made folders are checked while read, nothing of a user's is lost, and every failure to write names its file."""

import errno
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from srgrid import files, images, made
from srgrid.cli import main
from srgrid.data import fetch
from srgrid.data.pack import pack
from srgrid.degrade import make_lr
from srgrid.errors import SrgridError
from srgrid.files import read_manifest, staged_dir, staged_file, write_manifest
from srgrid.given import take
from srgrid.made import open_images
from srgrid.protocols import get_protocol
from srgrid.provenance import set_digest
from srgrid.report.figures import draw
from srgrid.report.previews import previews
from srgrid.report.selection import Selection
from srgrid.report.sources import CellImages, load_pair, open_folders
from srgrid.scoring import score_dirs
from srgrid.signals import Signalled, raise_when_stopped
from srgrid.upscale import Options, upscale_dir, upscale_path

OTHER_PIXELS = r"coffee\.(png|npy): other pixels than when the folder was made; delete the folder and make it again"
RGB8 = get_protocol("rgb8")


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def srgrid(*arguments):
    """Run the command line in this process: its exit status and what it says."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    out, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(said):
        patch.setattr(sys, "argv", ["srgrid", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    for each, handler in handlers.items():
        signal.signal(each, handler)
    return Done(ended.value.code, out.getvalue(), said.getvalue())


def content(folder):
    """Every file under a folder, hidden ones too, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def blacken(file):
    image = (np.load(file) if file.suffix == ".npy" else images.read(file)).copy()
    image[:20] = 0
    np.save(file, image) if file.suffix == ".npy" else images.write(file, image)


@pytest.fixture
def hr(photo_dir, tmp_path):
    """A made folder of four photographs."""
    make_lr(photo_dir, tmp_path / "made" / "HR", 1)
    return tmp_path / "made" / "HR"


@pytest.fixture
def sr(hr, tmp_path):
    """A made folder of enlarged photographs."""
    make_lr(hr, tmp_path / "LR", 2)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2)
    return tmp_path / "SR"


# 21: pixels are checked whenever a made folder is read

READERS = {
    "lr": lambda hr, out: make_lr(hr, out, 2),
    "upscale a folder": lambda hr, out: upscale_dir(hr, out, "bicubic", 2),
    "upscale an image": lambda hr, out: upscale_path(hr / "coffee.png", out / "c.png", "bicubic", 2),
    "pack": lambda hr, out: pack([hr], 2, out / "x.srpack"),
    "score as HR": lambda hr, out: score_dirs(shutil.copytree(hr.parent.parent / "HR", out), hr, 2, RGB8),
    "score as SR": lambda hr, out: score_dirs(hr, shutil.copytree(hr.parent.parent / "HR", out), 2, RGB8),
    "SR of another program": lambda hr, out: take(hr, hr.parent.parent / "HR", out),
    "figures": lambda hr, out: load_pair(*open_folders(hr, {"m": hr}), "coffee"),
}


@pytest.mark.parametrize("reader", READERS)
def test_21_pixels_are_checked_whenever_a_made_folder_is_read(hr, tmp_path, reader):
    READERS[reader](hr, tmp_path / "whole")
    blacken(hr / "coffee.png")
    with pytest.raises(SrgridError, match=OTHER_PIXELS):
        READERS[reader](hr, tmp_path / "out")
    assert not (tmp_path / "out" / "coffee.png").exists() or reader.startswith("score")


def test_21_float_images_and_the_mirrors_made_by_fetch_are_checked(hr, tmp_path):
    make_lr(hr, tmp_path / "LR", 2)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2, options=Options(kind="float"))
    score_dirs(tmp_path / "SR", hr, 2, get_protocol("super-image"))
    blacken(tmp_path / "SR" / "coffee.npy")
    with pytest.raises(SrgridError, match=OTHER_PIXELS):
        score_dirs(tmp_path / "SR", hr, 2, get_protocol("super-image"))
    fetch("made", tmp_path / "a", tmp_path)
    blacken(hr / "coffee.png")
    with pytest.raises(SrgridError, match=r"coffee\.png: other pixels"):
        fetch("made", tmp_path / "b", tmp_path)


def test_21_files_that_went_or_came_are_seen(hr, sr, tmp_path):
    shutil.copy(hr / "coffee.png", hr / "tea.png")
    (hr / "camera.png").unlink()
    with pytest.raises(SrgridError, match=r"HR: not as it was made: camera\.png is missing, tea\.png is not of"):
        make_lr(hr, tmp_path / "out", 2)
    (sr / "astronaut.png").unlink()
    with pytest.raises(SrgridError, match=r"SR: not as it was made: astronaut\.png is missing"):
        score_dirs(sr, hr, 2, RGB8)
    np.save(sr / "astronaut.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(SrgridError, match=r"SR: holds float arrays \(\.npy\) and images \(camera\.png, "):
        score_dirs(sr, hr, 2, RGB8)


def test_21_a_users_own_folder_is_read_as_it_is(photo_dir, tmp_path):
    blacken(photo_dir / "coffee.png")
    make_lr(photo_dir, tmp_path / "out", 2)
    assert len(images.list_images(tmp_path / "out")) == 4


def test_21_manifests_say_which_code_and_which_inputs(hr, sr, tmp_path):
    lr_by, sr_by = read_manifest(tmp_path / "LR")["made_by"], read_manifest(sr)["made_by"]
    for made_by in (lr_by, sr_by):
        assert len(made_by["code"]["source"]) == 16
        assert made_by["code"]["numpy"] == np.__version__
    assert files.set_identity(lr_by["inputs"]) == set_digest(hr)
    assert files.set_identity(sr_by["inputs"]) == set_digest(tmp_path / "LR")
    assert sr_by["lr"] == {**lr_by, "inputs": set_digest(hr)}
    assert made.open_images(hr).made_by["step"] == "lr"


@pytest.mark.mirror
def test_21_a_blackened_image_is_not_scored(mirror, tmp_path):
    fetch("Set5", tmp_path / "HR", mirror)
    make_lr(tmp_path / "HR", tmp_path / "LR", 4)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 4)
    assert read_manifest(tmp_path / "HR")["made_by"]["code"]["source"]
    blacken(tmp_path / "HR" / "baby.png")
    done = srgrid("score", tmp_path / "SR", tmp_path / "HR", "--scale", 4, "--out", tmp_path / "s.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path}/HR/baby.png: other pixels than when the folder was made" in done.stderr
    assert not (tmp_path / "s.csv").exists()


# 13: originals are never lost


def refused_and_kept(tmp_path, words, *arguments):
    before = content(tmp_path)
    done = srgrid(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert words in done.stderr
    assert done.stderr.splitlines()[-1].startswith("srgrid: error: ")
    assert content(tmp_path) == before


def test_13_an_output_that_is_an_input_is_refused(hr, tmp_path):
    (tmp_path / "link").symlink_to(hr)
    for command in (["lr"], ["upscale", "--model", "bicubic"]):
        for out, words in {
            hr: "is the input",
            tmp_path / "link": "is the input",
            hr / "deep" / "er": "lies inside the input",
            tmp_path / "link" / "x": "lies inside the input",
            hr.parent: "holds the input",
        }.items():
            refused_and_kept(tmp_path, words, command[0], hr, out, "--scale", 2, *command[1:])


def test_13_a_file_is_not_written_over_its_own_input(hr, tmp_path):
    one, scaled = tmp_path / "a.png", ("--model", "bicubic", "--scale", 2)
    shutil.copy(hr / "coffee.png", one)
    os.link(one, tmp_path / "hard.png")
    (tmp_path / "soft.png").symlink_to(one)
    for out in ("a.png", "hard.png", "soft.png"):
        refused_and_kept(tmp_path, "is the input", "upscale", one, tmp_path / out, *scaled)
    for compare in ("a.png", "hard.png", "soft.png", "b.png"):
        more = ("--compare", tmp_path / compare)
        refused_and_kept(tmp_path, "is the input", "upscale", one, tmp_path / "b.png", *scaled, *more)
    (tmp_path / "w.safetensors").write_bytes(b"x")
    more = ("--compare", tmp_path / "w.safetensors")
    refused_and_kept(tmp_path, "written as .png", "upscale", one, tmp_path / "b.png", *scaled, *more)
    upscale_path(one, tmp_path / "b.png", "bicubic", 2, compare=tmp_path / "c.png")


def test_13_every_command_keeps_its_output_apart(hr, sr, tmp_path):
    (tmp_path / "Mine").mkdir()
    shutil.copytree(hr, tmp_path / "Mine" / "HR")
    part = tmp_path / "parts" / "scores.csv"
    part.parent.mkdir()
    part.write_text("dataset,scale,method,protocol,image,psnr,ssim\nD,2,bicubic,rgb8,a,30,0.9\n")
    mirrored = ("--mirror", tmp_path)
    refused_and_kept(tmp_path, "lies inside", "pack", hr, "--scale", 2, "--out", hr / "coffee.png")
    refused_and_kept(tmp_path, "lies inside", "pack", hr, "--scale", 2, "--out", hr / "x.srpack")
    refused_and_kept(tmp_path, "lies inside", "score", sr, hr, "--scale", 2, "--out", hr / "coffee.png")
    refused_and_kept(tmp_path, "is the input", "data", "fetch", "Mine", tmp_path / "Mine/HR", *mirrored)
    export = ("data", "export", "Mine", "-s", 2, "--out", tmp_path / "Mine/HR", *mirrored)
    refused_and_kept(tmp_path, "lies inside", *export)
    refused_and_kept(tmp_path, "is the input", "grid", part, "--out-dir", part.parent)
    refused_and_kept(tmp_path, "is the input", "grid", part.with_name("tables.csv"), "--out-dir", part.parent)
    for name in ("effects.csv", "audit.csv"):
        refused_and_kept(tmp_path, "is the input", "audit", part.parent, part.with_name(name))
    for out, told in ((part, "is the input"), (hr / "p.json", "lies inside")):
        refused_and_kept(tmp_path, told, "provenance", out, "--input", hr)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"x")
    more = ("--model", "rcan-bam-xs", "--scale", 2, "--pack", part, "--state", tmp_path / "state", "--init", weights)
    refused_and_kept(tmp_path, "is the input", "train", *more, "--out", weights)
    for name in ("coffee.png", "manifest.json"):
        refused_and_kept(tmp_path, "is the input", "data", "verify", hr, "--report", hr / name)
    cell = ("--scale", 2, "--dataset", "D", "--protocol", "rgb8", "--sr", f"bicubic={sr}")
    made_there = ("figure", part, hr, hr / "coffee.png", *cell, "--previews", tmp_path / "v")
    refused_and_kept(tmp_path, "lies inside", *made_there)
    with pytest.raises(SrgridError, match="is the input"):
        previews(Selection({}, "", (), (), ()), cell_of(part, hr, sr), sr)
    with pytest.raises(SrgridError, match="lies inside"):
        draw(Selection({}, "", (), (), ()), cell_of(part, hr, sr), hr / "coffee.png")


def cell_of(scores, hr, sr):
    return CellImages("D", 2, "rgb8", scores, pd.DataFrame(), open_images(hr), {"bicubic": open_images(sr)})


def test_13_a_users_files_in_a_made_folder_stay(hr, tmp_path):
    make_lr(hr, tmp_path / "LR", 2)
    make_lr(hr, tmp_path / "LR", 3)  # ours alone: replaced
    (tmp_path / "LR" / ".snakemake_timestamp").touch()
    make_lr(hr, tmp_path / "LR", 2)
    for name in ("notes.txt", ".hidden", "more/notes.txt"):
        file = tmp_path / "LR" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("years of work")
        top = name.partition("/")[0]
        refused_and_kept(tmp_path, f"holds {top}, not made by srgrid", "lr", hr, tmp_path / "LR", "--scale", 3)
        shutil.rmtree(tmp_path / "LR" / top) if "/" in name else file.unlink()
    late = tmp_path / "LR" / "late.txt"
    with pytest.raises(SrgridError, match=r"holds late\.txt"), staged_dir(tmp_path / "LR"):
        late.write_text("written while the step ran")
    assert late.exists()


def test_13_links_are_followed(hr, tmp_path):
    real = tmp_path / "disk" / "LR"
    make_lr(hr, real, 2)
    (tmp_path / "LR").symlink_to(real)
    make_lr(hr, tmp_path / "LR", 3)
    assert (tmp_path / "LR").is_symlink()
    assert read_manifest(real)["made_by"]["scale"] == 3
    assert [p.name for p in real.parent.iterdir()] == ["LR"]
    (tmp_path / "disk" / "t.csv").write_text("old")
    (tmp_path / "t.csv").symlink_to(tmp_path / "disk" / "t.csv")
    with staged_file(tmp_path / "t.csv") as staged:
        assert staged.parent == tmp_path / "disk"
        staged.write_text("new")
    assert (tmp_path / "t.csv").is_symlink()
    assert (tmp_path / "disk" / "t.csv").read_text() == "new"


def test_13_dangling_links_and_devices_are_named(hr, tmp_path):
    (tmp_path / "away").symlink_to(tmp_path / "unplugged")
    refused_and_kept(tmp_path, "away: a link to", "lr", hr, tmp_path / "away", "--scale", 2)
    os.mkfifo(tmp_path / "pipe.csv")
    for name, words in {"away": "which is not there", "pipe.csv": "is a device or pipe", "made": "is a folder"}.items():
        with pytest.raises(SrgridError, match=f"{name}: .*{words}"), staged_file(tmp_path / name):
            pass
    assert (tmp_path / "pipe.csv").is_fifo()


# 17: what cannot be written is named


@contextmanager
def no_room(size):
    """Files stop at `size` bytes: what a full disk does to a write, with EFBIG for ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_17_nothing_half_written_and_the_file_is_named(hr, sr, tmp_path):
    one, scaled = ("upscale", hr / "coffee.png"), ("--model", "bicubic", "--scale", 2)
    before = content(tmp_path)
    for named, command in {
        "LR2/astronaut.png": ("lr", hr, tmp_path / "LR2", "--scale", 2),
        "o.png": (*one, tmp_path / "o.png", *scaled),
        "o.npy": (*one, tmp_path / "o.npy", *scaled, "--kind", "float"),
        "x.srpack": ("pack", hr, "--scale", 2, "--out", tmp_path / "x.srpack"),
        "s.csv": ("score", sr, hr, "--scale", 2, "--out", tmp_path / "s.csv"),
    }.items():
        with no_room(50):
            done = srgrid(*command)
        assert done.returncode == 2
        assert done.stderr.endswith(f"srgrid: error: {tmp_path}/{named}: File too large\n")
        assert content(tmp_path) == before


def test_17_a_full_disk(hr, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        for command in (["lr", hr, disk / "LR"], ["pack", hr, "--out", disk / "x.srpack"]):
            done = srgrid(*command, "--scale", 1)
            assert done.returncode == 2
            assert f"srgrid: error: {disk}/" in done.stderr
            assert "No space left on device; free some space" in done.stderr
            assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", disk], check=True)


def test_17_weights_that_cannot_be_written_are_named(tmp_path):
    import torch

    from srgrid.models import tensors

    with no_room(100), pytest.raises(SrgridError, match=r"w\.safetensors: .*File too large"):
        tensors.write(tmp_path / "w.safetensors", {"a": torch.zeros(1000)}, {"k": "v"})
    assert not list(tmp_path.iterdir())


def test_17_a_checkpoint_without_room_is_named_and_the_older_ones_stay(tmp_path):
    import torch

    from srgrid.train.checkpoint import State

    state = State(tmp_path, {})
    state.save({"step": 1, "model": {"w": torch.zeros(10)}})
    before = content(tmp_path)
    named = r"step-000000002\.ckpt: cannot write the checkpoint \(File too large\); free some space"
    with no_room(100), pytest.raises(SrgridError, match=named):
        state.save({"step": 2, "model": {"w": torch.zeros(1000)}})
    assert content(tmp_path) == before


def test_17_a_place_that_cannot_be_is_named(hr, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for command in (["lr", hr, tmp_path / "file/LR"], ["pack", hr, "--out", tmp_path / "file/x.srpack"]):
        refused_and_kept(tmp_path, f"{tmp_path}/file", *command, "--scale", 2)
    with pytest.raises(SrgridError, match="Read-only file system; choose another place"), staged_file(tmp_path / "a"):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    with pytest.raises(SrgridError, match=f"^{tmp_path}/b: No space left"), staged_file(tmp_path / "b") as staged:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(staged))
    with pytest.raises(SrgridError, match=r"^/other: Permission denied"), staged_file(tmp_path / "b"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/other")


def test_17_an_unreadable_folder_is_bad_input_not_an_internal_error(hr, tmp_path, monkeypatch):
    def denied(folder, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(images, "list_images", denied)
    done = srgrid("lr", hr, tmp_path / "o", "--scale", 2)
    assert done == (2, "", f"srgrid: error: {hr}: Permission denied; see to its permissions\n")


def test_17_standard_output_that_is_gone_or_full(hr, sr):
    command = [sys.executable, "-m", "srgrid", "score", str(sr), str(hr), "--scale", "2"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    told = {"stderr": subprocess.PIPE, "text": True, "timeout": 60, "env": buffered}
    read_end, write_end = os.pipe()
    os.close(read_end)
    gone = subprocess.run(command, check=False, stdout=write_end, **told)
    os.close(write_end)
    assert gone.returncode == 1
    assert "rror" not in gone.stderr
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, check=False, stdout=full, **told)
    assert done.returncode == 2
    assert "srgrid: error: standard output: No space left on device" in done.stderr
    assert "Exception" not in done.stderr


def test_17_long_names_and_umask(tmp_path):
    long = tmp_path / ("é" * 125 + ".png")
    with staged_file(long) as staged:
        staged.write_text("x")
    with pytest.raises(SrgridError, match="choose a shorter name"), staged_file(tmp_path / ("x" * 256)) as staged:
        staged.write_text("x")
    before = os.umask(0o027)
    try:
        with staged_file(tmp_path / "a.txt") as staged:
            staged.write_text("x")
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)
    assert len(list(tmp_path.iterdir())) == 2


# 28: staging folders do not stay

STUCK = """
import signal, sys, time, srgrid.steps
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job and nohup ignore them
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def stuck(*_):
    print("ready", flush=True)
    while True:  # a signal between here and signal.pause() would be waited for in vain
        time.sleep(0.1)
calls = iter([srgrid.steps.STEPS["imresize"], stuck])
srgrid.steps.STEPS["imresize"] = lambda image, ratio: next(calls)(image, ratio)
from srgrid.cli import main
main()
"""


def stopped_in_the_middle(hr, out, signum):
    command = [sys.executable, "-c", STUCK, "lr", hr, out, "--scale", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    assert any(p.name.startswith(".") for p in out.parent.iterdir())
    process.send_signal(signum)
    return process.wait(60), process.communicate()[1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_28_a_stopped_step_cleans_up(hr, tmp_path, signum):
    before = content(tmp_path)
    status, said = stopped_in_the_middle(hr, tmp_path / "LR", signum)
    assert status == 128 + signum
    assert "Traceback" not in said
    told = "interrupted" if signum == signal.SIGINT else f"stopped by {signum.name}"
    assert said.lstrip("\n") == f"srgrid: {told}; nothing half-written is left\n"
    assert content(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["HR", "made"]


def test_28_an_ignored_signal_stays_ignored_and_a_second_one_breaks_no_cleaning_up():
    cleaned = False
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise_when_stopped()
        signal.raise_signal(signal.SIGHUP)
        try:
            signal.raise_signal(signal.SIGTERM)
        except Signalled as stopped:
            signal.raise_signal(signal.SIGTERM)
            cleaned = stopped.exit_status == 128 + signal.SIGTERM
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert cleaned


def test_28_a_later_run_sweeps_what_a_killed_one_left(hr, tmp_path, monkeypatch):
    status, _ = stopped_in_the_middle(hr, tmp_path / "LR", signal.SIGKILL)
    assert status == -signal.SIGKILL
    (tmp_path / ".mine").mkdir()
    (tmp_path / f".srgrid-{files._HOST}-{'0' * 16}").mkdir()  # killed before it had a lock
    (tmp_path / f".srgrid-{files._HOST}-{'1' * 16}.csv").write_text("left by a killed staged_file")
    elsewhere = tmp_path / f".srgrid-elsewhere-{'2' * 16}.csv"
    elsewhere.write_text("of another machine, just now")
    assert len(list(tmp_path.glob(".srgrid-*"))) == 4
    monkeypatch.setattr(files, "_swept", set())
    make_lr(hr, tmp_path / "LR", 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mine", elsewhere.name, "HR", "LR", "made"]
    os.utime(elsewhere, (0, 0))
    monkeypatch.setattr(files, "_swept", set())
    make_lr(hr, tmp_path / "LR", 2)
    assert not elsewhere.exists()


def test_28_what_a_living_process_stages_stays(tmp_path):
    code = "import sys; from pathlib import Path; from srgrid.files import staged_file\n"
    code += "with staged_file(Path(sys.argv[1])): pass"
    with staged_file(tmp_path / "a") as one, staged_dir(tmp_path / "b") as two, files.scratch_dir(tmp_path) as three:
        one.write_text("half")
        (two / "c").write_text("half")
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "d")], check=True)
        assert (one.read_text(), (two / "c").read_text(), three.is_dir()) == ("half", "half", True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "d"]


def test_28_without_locks_nothing_is_swept(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(files.fcntl, "flock", unknown)
    left = tmp_path / f".srgrid-{files._HOST}-{'1' * 16}.csv"
    left.write_text("another's, perhaps alive")
    with staged_file(tmp_path / "a"), staged_dir(tmp_path / "b"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [left.name, "a", "b"]


# 29: parsers of manifest.json and previews.json

GOOD = {"width": 2, "height": 2, "channels": 3, "sha256": "0" * 64}
BAD_MANIFESTS = {
    "empty": b"",
    "torn": b'{"made_by": {}, "files": {',
    "not UTF-8": b'{"made_by": {}, "files": {"\xff": 1}}',
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "files is a list": b'{"made_by": {}, "files": []}',
    "made_by is a text": b'{"made_by": "x", "files": {}}',
    "an entry is a number": b'{"made_by": {}, "files": {"a.png": 1}}',
    "a huge number": b'{"made_by": {}, "files": {"a.png": ' + b"9" * 5000 + b"}}",
    **{
        f"name {name!r}": json.dumps({"made_by": {}, "files": {name: GOOD}}).encode()
        for name in ("../x", "/etc/passwd", "..", ".", "", "a/b.png", "a\0.png", "x" * 256, "\ud800.png")
    },
    **{
        f"{key} {value!r}": json.dumps({"made_by": {}, "files": {"a.png": {**GOOD, key: value}}}).encode()
        for key, value in [
            ("sha256", None), ("sha256", "0" * 63), ("sha256", "0" * 64 + "\n"), ("sha256", 7),
            ("width", 0), ("width", "2"), ("height", True), ("channels", 1.5), ("width", float("nan")),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_MANIFESTS)
def test_29_a_damaged_manifest_is_one_message(hr, tmp_path, fault):
    (hr / "manifest.json").write_bytes(BAD_MANIFESTS[fault])
    for read in (read_manifest, set_digest, made.open_images, lambda folder: make_lr(folder, tmp_path / "o", 2)):
        with pytest.raises(SrgridError, match=r"HR/manifest\.json: damaged manifest \(.*\); if srgrid made") as caught:
            read(hr)
        assert len(str(caught.value)) < 1000
    before = content(hr)
    with pytest.raises(SrgridError, match="damaged manifest"), staged_dir(hr):
        pass
    assert content(hr) == before


def test_29_a_manifest_that_is_no_file_is_one_message(hr):
    (hr / "manifest.json").unlink()
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)):
        make(hr / "manifest.json")
        with pytest.raises(SrgridError, match="missing manifest"):
            made.open_images(hr)
        os.rmdir(hr / "manifest.json") if (hr / "manifest.json").is_dir() else os.unlink(hr / "manifest.json")


def test_29_names_that_only_a_file_system_holds_are_good(tmp_path, photographs):
    names = [os.fsdecode(b"caf\xe9.png"), "a\\b.png", "a\nb.png", "=1+1.png"]
    with staged_dir(tmp_path / "d") as staged:
        for name in names:  # images.list_images refuses two of them; a manifest holds them all
            images.write(staged / name, photographs["coffee"][:8, :8])
        write_manifest(staged, {}, {name: images.describe(images.read(staged / name)) for name in names})
    assert sorted(read_manifest(tmp_path / "d")["files"]) == sorted(names)
    assert set_digest(tmp_path / "d")["images"] == 4
