"""TorchScript files: what they compute, and that what they could do besides is refused before it happens."""

import io
import os
import pickle
import zipfile

import graphs
import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import describe, load
from srgrid.models.run import upscale_float
from srgrid.upscale import upscale_dir

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
IMAGE = data.astronaut()[100:121, 200:217]


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("channels", [3, 1])
def test_a_network_computes_as_the_module_it_was_made_of(tmp_path, traced, channels, capsys):
    module = graphs.Blur(2, channels).eval()
    if traced:
        torch.jit.trace(module, torch.rand(1, channels, 9, 8)).save(tmp_path / "t.onnx")
    else:
        graphs.script_file(tmp_path / "t.onnx", module)
    network = load(tmp_path / "t.onnx", 2)
    assert (network.architecture, network.scale, network.config.channels) == ("TorchScript", 2, channels)
    x = torch.rand(2, 3, 11, 14)
    with torch.inference_mode():
        expected = module(x.reshape(-1, channels, 11, 14)).reshape(2, 3, 22, 28)
        first = network.module(x)
        torch.testing.assert_close(first, expected)
        for _ in range(3):  # torch optimises after some runs
            assert torch.equal(network.module(x), first)
    assert "inputs taken to be 0..1: assumed" in capsys.readouterr().err
    told = describe(tmp_path / "t.onnx")
    assert told["parameters"] == sum(p.numel() for p in module.parameters())
    assert told["config"]["read_by"] == f"torch {torch.__version__}"


class Wide(nn.Module):
    def forward(self, x):
        if x.max() <= 1:
            x = x * 0
        return nn.functional.interpolate(x + 20, scale_factor=2.0)


def test_the_range_is_asked_for_and_the_manifest_says_so(tmp_path):
    file = graphs.script_file(tmp_path / "wide.pt", Wide())
    network = load(file, 2, rgb_range=255)
    np.testing.assert_allclose(
        upscale_float(network, [IMAGE])[0], np.clip(IMAGE.repeat(2, 0).repeat(2, 1) + 20.0, 0, 255), atol=0.001
    )
    images.write(tmp_path / "LR/a.png", IMAGE)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", str(file), 2)
    config = read_manifest(tmp_path / "SR")["made_by"]["config"]
    assert (config["rgb_range"], config["rgb_range_from"]) == (1.0, "assumed")


class Same(nn.Module):
    def forward(self, x):
        return x


class Twice(nn.Module):
    def forward(self, x):
        return x, x


class Raises(nn.Module):
    def forward(self, x):
        if x.shape[3] > 0:
            raise ValueError("no such image")
        return x


class Huge(nn.Module):
    def forward(self, x):
        return x + torch.ones([1 << 20, 1 << 20]).mean()


class Nan(nn.Module):
    def forward(self, x):
        return nn.functional.interpolate(x / 0 - x / 0, scale_factor=2.0)


class Writes(nn.Module):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, x):
        torch.save(x, self.path)
        return x


class Reads(nn.Module):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, x):
        return torch.from_file(self.path, False, 12, dtype=torch.uint8)


class Awakes(nn.Module):
    """Runs as it is read."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)

    def forward(self, x):
        return x


@torch.jit.script
class Sortable:
    def __init__(self, path: str):
        self.path = path

    def __lt__(self, other: "Sortable") -> bool:
        torch.save(torch.zeros(1), self.path)
        return True


class Hides(nn.Module):
    """Writes from a method that nothing calls by its name."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, x):
        pair = [Sortable(self.path), Sortable(self.path)]
        pair.sort()
        return x * len(pair[0].path)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Same, "built for scale 1, not 2"),
        (Twice, "answered with a tuple, not with a tensor; export its image alone"),
        (Raises, "its network failed on an input of 1 x 3 x 17 x 19: .*mend it, or give a Python entry"),
        (Huge, "not enough memory to run it on an image of 19 x 17 pixels"),
        (Nan, r"a\.png: the network's answer in fp32 is not finite"),
        (lambda: graphs.Blur(2, 4), "its network failed on an input of 1 x 3 x 17 x 19"),
    ],
)
def test_what_is_no_network_for_images_leaves_nothing_behind(tmp_path, module, message):
    images.write(tmp_path / "LR/a.png", IMAGE)
    file = graphs.script_file(tmp_path / "bad.pt", module())
    with pytest.raises(SrgridError, match=message):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", str(file), 2)
    assert not (tmp_path / "SR").exists()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Writes, r"its program calls aten::save in .*Writes\.forward, which does more than compute on tensors, and is"),
        (Reads, r"its program calls aten::from_file in .*Reads\.forward"),
        (Hides, r"its program calls aten::save in .*Sortable\.__lt__"),
        (Awakes, "a TorchScript program that runs as it is read, and is refused; export it as ONNX"),
    ],
)
def test_a_program_that_reaches_for_files_never_runs(tmp_path, module, message):
    marker = tmp_path / "executed"
    file = graphs.script_file(tmp_path / "evil.pt", module(str(marker)))
    with pytest.raises(SrgridError, match=message):
        load(file, 2)
    assert not marker.exists()
    if module is not Reads:
        torch.jit.load(file)(torch.rand(1, 3, 8, 8))
        assert marker.exists()  # what torch alone lets pass


def test_torn_and_padded_archives_are_told(tmp_path):
    whole = graphs.script_file(tmp_path / "t.pt", graphs.Blur()).read_bytes()
    flipped = bytearray(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        place = whole.index(archive.read("archive/data/0" if "archive/data/0" in archive.namelist() else "t/data/0"))
    flipped[place] ^= 1
    for name, content in (("torn.pt", whole[: len(whole) // 2]), ("flipped.pt", bytes(flipped))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SrgridError, match=rf"{name}: torn"):
            load(tmp_path / name, 2)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as bomb:
        for record in archive.infolist():
            bomb.writestr(record.filename, archive.read(record))
        bomb.writestr("archive/data/9", bytes(64 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(SrgridError, match=r"bomb\.pt: its records are compressed"):
        load(tmp_path / "bomb.pt", 2)
    bad = graphs.Blur()
    bad.conv.bias.data[0] = np.nan
    with pytest.raises(SrgridError, match=r"n\.pt: conv\.bias holds values that are not finite"):
        load(graphs.script_file(tmp_path / "n.pt", bad), 2)


class _Evil:
    """A pickle of it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"echo run > '{self.path}'",)


def _archive(path, records):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("way", ["zip", "bare", "wrapped", "script", "script constants", "export", "older export"])
def test_a_pickle_that_runs_code_is_refused_by_every_way_in(tmp_path, way):
    marker, file = tmp_path / "executed", tmp_path / "evil.bin"
    evil = pickle.dumps({"weight": _Evil(marker)}, protocol=2)
    harmless = pickle.dumps({}, protocol=2)
    script = {
        "data.pkl": harmless,
        "constants.pkl": harmless,
        "code/__torch__.py": "",
        "version": "3",
        "byteorder": "little",
    }
    if way == "zip":
        torch.save({"weight": _Evil(marker)}, file)
    elif way == "wrapped":
        torch.save({"params": {"w": torch.zeros(1)}, "optimizer": _Evil(marker)}, file)
    elif way == "bare":
        file.write_bytes(evil)
    elif way == "script":
        _archive(file, script | {"data.pkl": evil})
    elif way == "script constants":
        _archive(file, script | {"constants.pkl": evil})
    elif way == "export":
        _archive(file, {"archive_format": "pt2", "archive_version": "0", "data/weights/w": evil, "data.pkl": evil})
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("serialized_exported_program.json", "{}")
            archive.writestr("serialized_state_dict.pt", evil)
    kind = "refused|torn"
    with pytest.raises(SrgridError, match=rf"evil\.bin: .*({kind})"):
        load(file, 2)
    (tmp_path / "folder").mkdir()
    file.rename(tmp_path / "folder/pytorch_model_2x.pt")
    with pytest.raises(SrgridError, match=kind):
        load(tmp_path / "folder", 2)
    assert not marker.exists()
    pickle.loads(evil)
    assert marker.exists()


def test_a_program_of_torch_export_is_refused_with_the_reason(tmp_path):
    exported = torch.export.export(graphs.Blur().eval(), (torch.rand(1, 3, 8, 8),))
    torch.export.save(exported, tmp_path / "n.pt2")
    message = r"n\.pt2: a program of torch\.export \(\.pt2\), which could run code as it is read, and is refused"
    with pytest.raises(SrgridError, match=message):
        load(tmp_path / "n.pt2", 2)
