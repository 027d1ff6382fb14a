"""Python entries: a function in a file or a package that makes a network, as a source of SR images."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import describe, load, locate
from srgrid.plan import weights_path
from srgrid.provenance import weights_record
from srgrid.records import content_digest
from srgrid.settings import Options
from srgrid.upscale import upscale_dir

CODE = """
import numpy as np, torch
from torch import nn
from torch.nn import functional as F
from srgrid.models import build
from helper import TIMES

class Nearest(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        assert x.shape[2] % 4 == x.shape[3] % 4 == 0 and x.max() > 100
        return F.interpolate(x, scale_factor=self.scale * TIMES, mode="nearest")

Nearest.rgb_range, Nearest.multiple_of, Nearest.licence = 255, 4, "CC0-1.0"

class Asks(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)

def images_of(scale):
    return lambda image: np.repeat(np.repeat(image, scale, 0), scale, 1)

def ours(scale):
    return build("rcan-bam-xs", 2)

def weighted(scale, weights):
    network = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Upsample(scale_factor=scale))
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network

def oom(x):
    raise torch.OutOfMemoryError("tried to allocate 8 GiB")

def fails(scale): raise ValueError("no such size")
def hungry(scale): raise MemoryError
def nothing(scale): return None
def a_class(scale): return Nearest
def wrong_size(scale): return Asks(lambda x: x)
def no_tensor(scale): return Asks(lambda x: [x])
def raising(scale): return Asks(lambda x: x.nothing)
def nan(scale): return Asks(lambda x: F.interpolate(x, scale_factor=scale) / 0)
def no_memory(scale): return Asks(oom)
class HungryAbove(Nearest):
    def forward(self, x):
        if x.shape[2] * x.shape[3] > 64 * 64:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return F.interpolate(x, scale_factor=self.scale, mode="nearest")

def hungry_above(scale): return HungryAbove(scale)

def fill(x):
    held = []
    while True:
        held.append(torch.empty(256 << 20))  # 1 GiB each that is never touched: no machine runs short of it

def takes_all(scale): return Asks(fill)
def floats(scale): return lambda image: image / 255
def small(scale): return lambda image: image
value = 3
def odd_range(scale): return Nearest(scale)
odd_range.rgb_range = 100
def uncited(scale): return Nearest(scale)
uncited.citations = ("nobody1900",)
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("TIMES = 1\n")
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def _enlarged(image, scale=2):
    return np.repeat(np.repeat(image, scale, 0), scale, 1)


@pytest.mark.parametrize("factory", ["Nearest", "images_of"])
@pytest.mark.parametrize("shape", [(16, 20), (17, 23), (3, 2)])
def test_a_module_and_a_function_of_images_enlarge(file, factory, shape):
    image = data.astronaut()[: shape[0], : shape[1]]
    assert np.array_equal(load(f"{file}:{factory}", 2).upscale(image), _enlarged(image))
    grey = np.ascontiguousarray(image[..., 0])
    assert np.array_equal(load(f"{file}:{factory}", 3).upscale(grey, ensemble=True), _enlarged(grey, 3))


def test_it_says_what_it_is_and_a_changed_source_is_noticed(file):
    place = locate(f"{file}:Nearest", 2)
    assert (place.kind, place.files, place.scale(), place.shown) == ("entry", (file,), None, "mine.py:Nearest")
    told = describe(f"{file}:Nearest", 2)
    assert (told["architecture"], told["file"], told["licence"]) == ("mine.py:Nearest", "mine.py", "CC0-1.0")
    assert told["about"] == "A network of another program, made by the Python function mine.py:Nearest."
    assert (told["config"]["rgb_range"], told["config"]["multiple_of"]) == (255, 4)
    assert (told["citations"], told["precisions"], told["parameters"]) == ([], ["fp32"], 0)
    assert weights_record(place)["sha256"] == told["sha256"] == told["config"]["source_sha256"]
    assert weights_record(place, scale=3)["config"]["scale"] == 3
    file.write_text(CODE + "\n")
    assert describe(f"{file}:Nearest", 2)["sha256"] != told["sha256"]
    with pytest.raises(SrgridError, match=r"declares values in 0\.\.255; leave rgb_range out"):
        load(f"{file}:Nearest", 2, rgb_range=1)


def test_weights_are_handed_over_and_have_part_in_the_digest(file, tmp_path):
    digests = []
    for value in (0.5, 0.25):
        torch.save({"0.weight": torch.eye(3)[..., None, None] * value}, tmp_path / "w.pth")
        entry = f"{file}:weighted@{tmp_path / 'w.pth'}"
        assert locate(entry).files == (file, tmp_path / "w.pth")
        network = load(entry, 2)
        assert network.upscale(np.full((4, 4, 3), 200, np.uint8))[0, 0, 0] == 200 * value
        digests.append((network.sha256, network.file))
    assert digests[0] != digests[1]
    assert digests[1][1] == "w.pth"
    with pytest.raises(SrgridError, match="cannot be called with the scale alone"):
        load(f"{file}:weighted", 2)
    with pytest.raises(SrgridError, match="cannot be called with the scale and the path of its weights"):
        load(f"{file}:nothing@{tmp_path / 'w.pth'}", 2)
    with pytest.raises(SrgridError, match=r"v\.pth: there is no such weights file"):
        locate(f"{file}:weighted@{tmp_path / 'v.pth'}")


def test_weights_that_are_a_folder_have_part_in_the_digest_by_names_and_contents(file, tmp_path):
    """Each change makes other digests: of the network that is loaded, and of what the workflow plans by."""
    folder = tmp_path / "weights"
    (folder / "deep").mkdir(parents=True)
    torch.save({"0.weight": torch.eye(3)[..., None, None]}, folder / "w.pth")
    (folder / "deep/config.json").write_text("{}")
    file.write_text(CODE + "def of_folder(scale, folder): return weighted(scale, folder + '/w.pth')\n")
    entry = f"{file}:of_folder@{folder}"

    def digests():
        return load(entry, 2).sha256, content_digest(locate(entry, 2).files[1])

    seen = [digests(), digests()]
    assert seen[0] == seen[1]
    (folder / "deep/config.json").write_text("{ }")
    seen.append(digests())
    (folder / "deep/config.json").rename(folder / "deep/settings.json")
    seen.append(digests())
    (folder / "new").touch()
    seen.append(digests())
    for column in zip(*seen[1:], strict=True):
        assert len(set(column)) == 4


def test_memory_that_runs_out_makes_tiles_that_are_told(file, tmp_path, capsys):
    """The whole image first, then halves of its side; what was done is in the manifest."""
    image = data.astronaut()[:100, :120]
    images.write(tmp_path / "LR/a.png", image)
    images.write(tmp_path / "LR/b.png", image[:40, :30])
    upscale_dir(tmp_path / "LR", tmp_path / "SR", f"{file}:hungry_above", 2)
    assert read_manifest(tmp_path / "SR")["made_by"]["tiles"] == {"a": {"side": 60, "overlap": 15}}
    assert np.array_equal(images.read(tmp_path / "SR/a.png"), _enlarged(image))
    assert np.array_equal(images.read(tmp_path / "SR/b.png"), _enlarged(image[:40, :30]))
    said = capsys.readouterr().err
    assert "image of 120 x 100 pixels: not enough memory; computed in tiles of 60, which is not the same as" in said
    network = load(f"{file}:hungry_above", 2)
    assert np.array_equal(network.upscale(image, tile=50, ensemble=True), _enlarged(image))
    upscale_dir(tmp_path / "LR", tmp_path / "SR", f"{file}:images_of", 2, options=Options(tile=37))
    assert read_manifest(tmp_path / "SR")["made_by"]["tiles"] == {
        "a": {"side": 37, "overlap": 9},
        "b": {"side": 37, "overlap": 7},
    }
    assert np.array_equal(images.read(tmp_path / "SR/a.png"), _enlarged(image))
    upscale_dir(tmp_path / "LR", tmp_path / "SR", f"{file}:images_of", 2)
    assert "tiles" not in read_manifest(tmp_path / "SR")["made_by"]


def test_more_memory_than_there_is_is_refused_not_fatal(file, tmp_path):
    """A network that would be killed for want of memory is told, and tiles are tried."""
    image = data.coffee()[:40, :60]
    with pytest.raises(SrgridError, match="60 x 40 pixels: not enough memory, even in tiles of 32"):
        load(f"{file}:takes_all", 2).upscale(image)
    assert np.array_equal(load(f"{file}:images_of", 2).upscale(image), _enlarged(image))


def test_a_network_of_ours_may_be_returned(file):
    network = load(f"{file}:ours", 2)
    assert (network.architecture, network.config.features) == ("rcan", 24)
    assert network.provenance["source"] == "mine.py:ours"
    assert network.upscale(data.coffee()[:20, :24]).shape == (40, 48, 3)
    with pytest.raises(SrgridError, match="returned a network for scale 2, not 4"):
        load(f"{file}:ours", 4)


def test_a_package_is_found_without_being_imported(tmp_path, monkeypatch):
    folder = tmp_path / "my_pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text("import torch\ndef up(scale):\n    return torch.nn.Upsample(scale_factor=scale)\n")
    monkeypatch.syspath_prepend(tmp_path)
    place = locate("my_pack.nets:up")
    assert place.files == (folder / "nets.py",)
    assert "my_pack" not in sys.modules
    image = data.coffee()[:8, :9]
    assert np.array_equal(load(place, 2).upscale(image), _enlarged(image))
    for missing in ("my_pack.other:up", "no_such_pack.nets:up", "my_pack.nets.up:up"):
        with pytest.raises(SrgridError, match="there is no such Python module here"):
            locate(missing)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("lacking", r"mine\.py has no lacking; it has Nearest, "),
        ("value", "is a int, not a function"),
        ("fails", "failed for scale 2: ValueError: no such size"),
        ("hungry", "not enough memory to make its network"),
        ("nothing", "returned NoneType; return an nn.Module"),
        ("a_class", "returned the class Nearest, not an instance"),
        ("odd_range", "its attribute rgb_range is not 1 or 255"),
        ("uncited", "citation 'nobody1900': not in references.bib"),
    ],
)
def test_what_makes_no_network_is_said(file, factory, message):
    with pytest.raises(SrgridError, match=message):
        load(f"{file}:{factory}", 2)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("wrong_size", r"answered 1 x 3 x 16 x 18 with 1 x 3 x 16 x 18, where scale 2 makes 1 x 3 x 32 x 36"),
        ("no_tensor", "answered with a list, not with a tensor"),
        ("raising", "failed on an input of 1 x 3 x 16 x 18: AttributeError"),
        ("nan", r"a\.png: the network's answer in fp32 is not finite"),
        ("no_memory", r"18 x 16 pixels: not enough memory, and it is too small for tiles"),
        ("floats", "a uint8 array, H x W x 3, was expected of it, and it gave a float64 array of 3 dimensions"),
        ("small", "where scale 2 makes"),
    ],
)
def test_an_answer_that_is_wrong_leaves_nothing_behind(file, tmp_path, factory, message):
    images.write(tmp_path / "LR/a.png", data.coffee()[:16, :18])
    with pytest.raises(SrgridError, match=message):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", f"{file}:{factory}", 2)
    assert not (tmp_path / "SR").exists()


def test_broken_code_and_missing_files_are_said(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    with pytest.raises(SrgridError, match=r"its code cannot be imported \(SyntaxError"):
        load(f"{tmp_path}/broken.py:f", 2)
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(SrgridError, match=r"its code cannot be imported \(SystemExit: 3"):
        load(f"{tmp_path}/leaves.py:f", 2)
    with pytest.raises(SrgridError, match=r"none\.py: there is no such Python file"):
        load(f"{tmp_path}/none.py:f", 2)


def test_a_folder_of_images_says_what_ran(file, tmp_path):
    images.write(tmp_path / "LR/a.png", data.astronaut()[:16, :18])
    upscale_dir(tmp_path / "LR", tmp_path / "SR", f"{file}:Nearest", 2, options=Options(precision="fp32"))
    made_by = read_manifest(tmp_path / "SR")["made_by"]
    assert (made_by["model"], made_by["weights"]) == ("mine.py:Nearest", "mine.py")
    assert made_by["weights_sha256"] == made_by["config"]["source_sha256"]
    with pytest.raises(SrgridError, match=r"not written: srgrid's files hold its own networks, not a mine\.py:Nearest"):
        load(f"{file}:Nearest", 2).save(tmp_path / "w.safetensors")


def test_a_config_names_it_from_either_folder(file, tmp_path, monkeypatch):
    (tmp_path / "w_x3.pth").touch()
    text = "mine.py:weighted@w_x{scale}.pth"
    assert str(weights_path(text, 3, tmp_path)) == f"{file}:weighted@{tmp_path / 'w_x3.pth'}"
    monkeypatch.chdir(tmp_path)
    assert str(weights_path(text, 3, tmp_path / "elsewhere")) == "mine.py:weighted@w_x3.pth"


def test_finding_one_needs_no_torch(file):
    code = f"import sys; from srgrid.models import locate; locate('{file}:Nearest'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
