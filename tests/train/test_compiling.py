"""Compiling: asked for only where it can be done, told, out of the budget, and given up where it fails."""

import os

import pytest
import torch

from srgrid.errors import SrgridError
from srgrid.models import build
from srgrid.train import compiling, loop, recipe, train
from srgrid.train.learner import Learner
from srgrid.train.team import Team

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
MODEL = "rcan-bam-xs"


def _tiny(**changes):
    values = {"steps": 3, "batch": 2, "patch": 12, "log_every": 1, "threads": 1}
    return recipe("demo", **(values | changes))


def _fails(model, **options):
    def call(*arguments):
        raise RuntimeError("\n\nBackendCompilerFailed: no such file: Python.h\nmany more lines")

    return call


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_what_compiling_lacks_is_told_before(monkeypatch, tmp_path, device, capsys):
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: name)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert f"no {'C++' if device == CPU else 'C'} compiler" in compiling.lacking(device)
    model = build(MODEL, 2).module
    assert compiling.compiled(model, _tiny(compile="on"), Team(0, 1, device)) is model
    assert capsys.readouterr().err.startswith("srgrid train: not compiled: no C")
    for name in ("gcc", "g++"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setattr(compiling.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "Python.h" in compiling.lacking(device)
    (tmp_path / "Python.h").touch()
    assert compiling.lacking(device) is None
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    assert compiling.lacking(device) == (None if device == CPU else "no Triton")


def test_a_gpu_gets_cuda_graphs_unless_processes_share_the_training():
    assert compiling.options(CPU) == {"dynamic": False}
    assert compiling.options(CUDA)["options"]["triton.cudagraphs"] is True
    assert compiling.options(CUDA, processes=2)["options"]["triton.cudagraphs"] is False


def test_what_does_not_compile_is_trained_without(packs, tmp_path, monkeypatch, capsys):
    train(MODEL, 2, packs[2], tmp_path / "eager.safetensors", tmp_path / "eager", _tiny())
    monkeypatch.setattr(torch, "compile", _fails)
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", _tiny(compile="on"))
    said = capsys.readouterr().err
    assert said.count("not compiled: RuntimeError: BackendCompilerFailed: no such file: Python.h") == 1
    assert said.count("compiling, for a minute or more") == 1
    assert (tmp_path / "w.safetensors").read_bytes() == (tmp_path / "eager.safetensors").read_bytes()


def test_compiling_does_not_count_as_training(packs, tmp_path, monkeypatch):
    """A budget in minutes is as long as ever, though each shape of batch is compiled for an hour."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    known = set()

    def slow(model, **options):
        def call(lr):
            now[0] += 1.0 if lr.shape in known else 3600.0
            known.add(lr.shape)
            return model(lr)

        return call

    monkeypatch.setattr(torch, "compile", slow)
    config = _tiny(steps=None, minutes=0.2, compile="on", last_patch=16, last_share=0.5)
    summary = train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", config)
    assert len(known) == 2
    assert 12 <= summary["steps"] <= 14  # of one second each, and the two that were compiled
    assert summary["seconds"] == pytest.approx(12, abs=1)


def test_out_of_memory_says_what_to_lower(packs, tmp_path, monkeypatch):
    def full(model, **options):
        def call(*arguments):
            raise RuntimeError("CUDA error: out of memory")

        return call

    monkeypatch.setattr(torch, "compile", full)
    arguments = (MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state")
    with pytest.raises(SrgridError, match=r"batch: a step on 2 patches of 12 x 12 .*memory of cpu; lower batch"):
        train(*arguments, _tiny(compile="on"))
    with pytest.raises(SrgridError, match=r"option patch: a step on 1 patches.*lower patch"):
        train(*arguments, _tiny(compile="on", batch=1))
    with pytest.raises(SrgridError, match=r"option last_patch: a step on 1 patches of 16 x 16.*lower last_patch"):
        train(*arguments, _tiny(compile="on", batch=1, last_patch=16, last_share=1.0))
    assert not (tmp_path / "w.safetensors").exists()


def test_what_a_step_needs_is_counted_without_computing():
    """What autograd keeps, each storage once, and the optimiser; the first grows with the batch."""
    made = Learner(build(MODEL, 2), _tiny(), Team(0, 1, CPU))
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = made.model(torch.rand(4, 3, 12, 12))
    numbers = 16 * sum(p.numel() for p in made.model.parameters() if p.requires_grad)
    assert made.needed(slice(0, 4), 12) == pytest.approx(sum(kept.values()) + numbers, rel=0.02)
    assert made.needed(slice(4, 12), 12) > 1.8 * made.needed(slice(0, 4), 12) - numbers
    assert out.shape == (4, 3, 24, 24)


@pytest.mark.slow
def test_each_patch_size_is_compiled_and_kept_where_it_is_asked_for(packs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    sizes = _tiny(compile="on", last_patch=16, last_share=0.4)
    train(MODEL, 2, packs[2], tmp_path / "w.safetensors", tmp_path / "state", sizes)
    assert "not compiled" not in capsys.readouterr().err
    assert any(files for *_, files in os.walk(tmp_path / "compiled"))
