"""Which device is chosen, what is said of it, and what running out of memory looks like."""

import pytest
import torch

from srgrid.cards import Shown
from srgrid.errors import SrgridError
from srgrid.models import devices, run

CUDA = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices.cards, "shown", lambda: Shown(0))
    devices._say.cache_clear()


def test_auto_takes_the_cpu_and_says_why(capsys):
    assert devices.choose("auto") == torch.device("cpu")
    assert capsys.readouterr().err == "srgrid: device cpu (no NVIDIA GPU is visible here)\n"
    with pytest.raises(SrgridError, match="device 'cuda': no NVIDIA GPU is visible here; give cpu"):
        devices.choose("cuda")


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
@pytest.mark.parametrize(
    ("driver", "cuda", "said"),
    [
        ("550.54.15", "13.0", r"driver 550\.54\.15 .* made for CUDA 13\.0, .*TORCH_INDEX=https://\S+/cu126"),
        ("580.65.06", None, r"driver 580\.65\.06 .* made for CPUs alone, .*without TORCH_INDEX"),
        ("", "13.0", "a driver of unknown version"),
    ],
)
def test_a_gpu_that_torch_cannot_use_stops_instead_of_training_on_the_cpu(monkeypatch, name, driver, cuda, said):
    monkeypatch.setattr(devices.cards, "shown", lambda: Shown(2, driver))
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with pytest.raises(SrgridError, match=said):
        devices.choose(name)
    assert devices.choose("cpu") == torch.device("cpu")


def test_each_process_has_a_card_of_its_own_and_may_name_one(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H100")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda at: type("Card", (), {"uuid": f"GPU-{at}"}))
    monkeypatch.setattr(devices.cards, "take", lambda names: names.index("GPU-1"))
    assert devices.choose("auto") == devices.choose("cuda") == torch.device("cuda:1")
    assert devices.choose("cuda:0") == devices.choose("cuda", local=0) == CUDA
    with pytest.raises(SrgridError, match="device 'cuda:2': there are 2 GPUs, counted from 0"):
        devices.choose("cuda:2")
    monkeypatch.setattr(devices.cards, "take", lambda names: None)
    assert devices.choose("auto") == CUDA
    assert "device cuda:0 (shared: other runs hold all 2 GPUs)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "FIND was unable to find an engine to execute this computation",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        "std::bad_alloc",
    ],
)
def test_memory_that_ran_out_is_recognised_in_every_spelling(text):
    assert devices.out_of_memory(RuntimeError(text))
    assert issubclass(torch.AcceleratorError, RuntimeError)


@pytest.mark.parametrize("text", ["CUDA error: an illegal memory access was encountered", "shape mismatch"])
def test_other_errors_are_not(text):
    assert not devices.out_of_memory(RuntimeError(text))


@pytest.mark.parametrize("tf32", [False, True])
def test_fp32_is_fp32_and_neither_choice_leaks(tf32):
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    with devices.float32(CUDA, tf32):
        assert torch.backends.cudnn.allow_tf32 is tf32
        assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
        with run.computing(CUDA, "fp32"):  # a validation in the middle of a training
            assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.allow_tf32 is tf32
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before
