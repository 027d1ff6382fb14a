"""Checkpoints of super-image and of the RCAN authors, made here with a second, plain-tensor implementation."""

import pytest
import torch
from torch.nn import functional as F

import srgrid.models
from srgrid.errors import SrgridError
from srgrid.models import load
from srgrid.provenance import weights_record
from srgrid.records import file_digest

FEATURES, SQUEEZE, GROUPS, BLOCKS = 16, 4, 2, 3


def _state(scale: int, bam: bool) -> dict[str, torch.Tensor]:
    gen = torch.Generator().manual_seed(scale)
    state = {}

    def conv(name, out, inp, size, bias=True):
        state[f"{name}.weight"] = torch.randn(out, inp, size, size, generator=gen) * (0.5 / (inp * size * size) ** 0.5)
        if bias:
            state[f"{name}.bias"] = torch.randn(out, generator=gen) * 0.1

    mean = torch.tensor([0.45, 0.43, 0.41]) * 255
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        state[f"{name}.weight"] = torch.eye(3).view(3, 3, 1, 1) * 1.01  # trained a little away from the identity
        state[f"{name}.bias"] = sign * mean
    conv("head.0", FEATURES, 3, 3)
    for g in range(GROUPS):
        for b in range(BLOCKS):
            block = f"body.{g}.body.{b}.body"
            conv(f"{block}.0", FEATURES, FEATURES, 3)
            conv(f"{block}.2", FEATURES, FEATURES, 3)
            if bam:
                conv(f"{block}.3.ca.fc1", SQUEEZE, FEATURES, 1, bias=False)
                state[f"{block}.3.ca.relu1.weight"] = torch.rand(SQUEEZE, generator=gen)
                conv(f"{block}.3.ca.fc2", FEATURES, SQUEEZE, 1, bias=False)
                conv(f"{block}.3.sa.conv1", 1, 1, 7, bias=False)
            else:
                conv(f"{block}.3.conv_du.0", SQUEEZE, FEATURES, 1)
                conv(f"{block}.3.conv_du.2", FEATURES, SQUEEZE, 1)
        conv(f"body.{g}.body.{BLOCKS}", FEATURES, FEATURES, 3)
    conv(f"body.{GROUPS}", FEATURES, FEATURES, 3)
    steps = {2: [4], 3: [9], 4: [4, 4]}[scale]
    for i, factor in enumerate(steps):
        conv(f"tail.0.{2 * i}", factor * FEATURES, FEATURES, 3)
    conv("tail.1", 3, FEATURES, 3)
    return state


def _reference(state, x, scale, bam):
    def conv(name, x):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def attention(name, x):
        pooled = F.adaptive_avg_pool2d(x, 1)
        if not bam:
            return x * conv(f"{name}.conv_du.2", conv(f"{name}.conv_du.0", pooled).relu()).sigmoid()
        hidden = F.prelu(conv(f"{name}.ca.fc1", pooled), state[f"{name}.ca.relu1.weight"])
        return conv(f"{name}.ca.fc2", hidden).sigmoid() * conv(f"{name}.sa.conv1", x.max(1, True).values).sigmoid() * x

    first = x = conv("head.0", conv("sub_mean", x))
    for g in range(GROUPS):
        start = x
        for b in range(BLOCKS):
            block = f"body.{g}.body.{b}.body"
            x = x + attention(f"{block}.3", conv(f"{block}.2", conv(f"{block}.0", x).relu()))
        x = start + conv(f"body.{g}.body.{BLOCKS}", x)
    x = first + conv(f"body.{GROUPS}", x)
    for i in range(2 if scale == 4 else 1):
        x = F.pixel_shuffle(conv(f"tail.0.{2 * i}", x), 2 if scale == 4 else scale)
    return conv("add_mean", conv("tail.1", x))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_super_image_checkpoint_computes_what_super_image_computes(tmp_path, scale):
    state = _state(scale, bam=True)
    file = tmp_path / f"pytorch_model_{scale}x.pt"
    torch.save(state, file)
    model = srgrid.models.load(tmp_path, scale=scale)  # the folder, as downloaded from the hub
    config = model.config
    assert (config.groups, config.blocks, config.features, config.reduction) == (2, 3, 16, 4)
    assert (config.attention, config.rgb_range, config.scale) == ("bam", 1.0, scale)
    x = torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(model.module(x), _reference(state, x, scale, bam=True), rtol=1e-4, atol=1e-4)
    assert model.precisions == ("fp32",)  # its mean shift is 255 times its input range


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_official_rcan_checkpoint_works_in_0_to_255(tmp_path, scale):
    state = _state(scale, bam=False)
    file = tmp_path / f"RCAN_BIX{scale}.pt"
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, file)
    model = srgrid.models.load(file, scale=scale)
    x = torch.rand(1, 3, 12, 10)
    expected = _reference(state, x * 255, scale, bam=False) / 255
    torch.testing.assert_close(model.module(x), expected, rtol=1e-4, atol=1e-4)
    assert model.config.attention == "ca"
    plain = load(file, None, rgb_range=1)  # super-image without BAM: the same names, inputs in 0..1
    torch.testing.assert_close(plain.module(x), _reference(state, x, scale, bam=False), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bam", [True, False])
def test_a_run_records_what_a_checkpoint_is(tmp_path, bam):
    state = _state(3, bam=bam)
    file = tmp_path / "pytorch_model_3x.pt"
    torch.save(state, file)
    record = weights_record(file)
    assert record["sha256"] == file_digest(file)
    assert record["parameters"] == sum(tensor.numel() for tensor in state.values())
    assert (record["config"]["scale"], record["config"]["attention"]) == (3, "bam" if bam else "ca")
    assert record["provenance"]["trained_by"] == "another project"


def test_bad_checkpoints_get_one_clear_message(tmp_path):
    state = _state(2, bam=True)
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(SrgridError, match="scale 2, not 4"):
        load(tmp_path / "m.pt", scale=4)
    with pytest.raises(SrgridError, match="no such weights file"):
        load(tmp_path / "absent.pt", None)
    whole = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "torn.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SrgridError, match=r"torn\.pt: torn"):
        load(tmp_path / "torn.pt", None)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(SrgridError, match="not an RCAN"):
        load(tmp_path / "other.pt", None)
    del state["tail.1.bias"]
    torch.save(state, tmp_path / "short.pt")
    with pytest.raises(SrgridError, match=r"1 missing, such as tail\.1\.bias"):
        load(tmp_path / "short.pt", None)


class _Exploit:
    def __reduce__(self):
        return (print, ("this code must never run",))


def test_code_in_a_checkpoint_never_runs(tmp_path, capsys):
    torch.save({"weight": _Exploit()}, tmp_path / "evil.pt")
    with pytest.raises(SrgridError, match="more than plain tensors"):
        load(tmp_path / "evil.pt", None)
    assert capsys.readouterr().out == ""
