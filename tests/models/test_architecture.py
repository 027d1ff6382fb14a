"""A kind of network that srgrid does not know, added by a row of the table: saved, found, loaded, run, trained."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn
from torch.nn import functional as F

from srgrid import images
from srgrid.data.pack import pack
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import Network, build, describe, load, locate, names
from srgrid.networks import ARCHITECTURES, Architecture
from srgrid.provenance import weights_record
from srgrid.records import file_digest
from srgrid.settings import Options
from srgrid.train import recipe, train
from srgrid.upscale import upscale_dir

MULTIPLE = 4


@dataclass(frozen=True)
class ToyConfig:
    """A 1x1 convolution after nearest-neighbour enlargement."""

    scale: int = 2
    bias: bool = True

    def __post_init__(self) -> None:
        if self.scale not in (2, 3):
            raise SrgridError(f"scale {self.scale}: there is no such toy; choose 2 or 3")


class Toy(nn.Module):
    """Refuses images whose sides are no multiples of 4, as networks with windows do."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.scale = config.scale
        self.colours = nn.Conv2d(3, 3, 1, bias=config.bias)

    def forward(self, x):
        assert x.shape[2] % MULTIPLE == x.shape[3] % MULTIPLE == 0
        return self.colours(F.interpolate(x, scale_factor=self.scale, mode="nearest"))


TOY = Architecture(
    config=ToyConfig,
    build=Toy,
    title="a toy",
    about=lambda config: f"A toy, {'with' if config.bias else 'without'} biases.",
    citations=lambda config: ("toy2026",),
    sizes={"toy": ToyConfig()},
    multiple_of=lambda config: MULTIPLE,
    precisions=lambda module: ("fp32",),
    scaled=("colours.bias",),
)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", TOY)


def _network(scale=2):
    """One that gives the image back, enlarged, a little brighter in blue."""
    network = build("toy", scale)
    with torch.no_grad():
        network.module.colours.weight.copy_(torch.eye(3)[..., None, None])
        network.module.colours.bias.copy_(torch.tensor([0, 0, 10 / 255]))
    return replace(network, provenance={"steps": 0})


def _enlarged(image, scale=2):
    big = np.repeat(np.repeat(image, scale, 0), scale, 1).astype(int)
    big[..., 2] = np.minimum(big[..., 2] + 10, 255)
    return big


@pytest.mark.parametrize("shape", [(16, 20), (17, 23), (2, 3), (1, 1)])
@pytest.mark.parametrize("ensemble", [False, True])
def test_an_image_is_padded_to_the_multiple_and_cut_back(shape, ensemble):
    image = data.astronaut()[100 : 100 + shape[0], 200 : 200 + shape[1]]
    assert np.array_equal(_network().upscale(image, ensemble=ensemble), _enlarged(image))


def test_it_is_saved_located_described_and_loaded(tmp_path):
    file = tmp_path / "toy_x2.safetensors"
    _network().save(file)
    place = locate(file)
    assert (place.kind, place.files, place.scale()) == ("file", (file,), 2)
    said = place.record()
    assert (said.architecture, said.name, said.config, said.licence) == ("toy", "toy", ToyConfig(), None)
    told = describe(file)
    assert told["sha256"] == file_digest(file)
    assert told["config"] == {"scale": 2, "bias": True}
    assert (told["architecture"], told["parameters"], told["precisions"]) == ("toy", 12, ["fp32"])
    assert (told["about"], told["citations"]) == ("A toy, with biases.", ["toy2026"])
    assert json.loads(json.dumps(weights_record(file))) == {"path": str(file), **told}
    network = load(file, scale=2)
    assert (network.provenance, network.multiple_of, network.tiler) == ({"steps": 0}, MULTIPLE, None)
    image = data.coffee()[:21, :30]
    assert np.array_equal(network.upscale(image), _enlarged(image))
    with pytest.raises(SrgridError, match="built for scale 2, not 3"):
        load(file, scale=3)


def test_it_is_found_by_name_and_in_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SRGRID_MODELS", str(tmp_path))
    _network(3).save(tmp_path / "toy_x3.safetensors")
    assert "toy" in names()
    assert locate("toy", 3).kind == "name"
    assert describe("toy", 3)["config"]["scale"] == 3
    replace(_network(), licence="CC0-1.0").save_pretrained(tmp_path / "hub")
    place = locate(tmp_path / "hub")
    assert (place.kind, [file.name for file in place.files]) == ("folder", ["model.safetensors", "config.json"])
    assert describe(tmp_path / "hub")["licence"] == "CC0-1.0"
    assert weights_record(tmp_path / "hub")["licence"] == "CC0-1.0"
    assert json.loads((tmp_path / "hub/config.json").read_text()) == {"architecture": "toy", **asdict(ToyConfig())}
    readme = (tmp_path / "hub/README.md").read_text()
    assert "license: cc0-1.0" in readme
    assert "A toy, with biases." in readme


def test_folders_of_images_say_what_ran(tmp_path):
    image = data.chelsea()[:18, :22]
    images.write(tmp_path / "LR/cat.png", image)
    _network().save(tmp_path / "w.safetensors")
    upscale_dir(tmp_path / "LR", tmp_path / "SR", str(tmp_path / "w.safetensors"), 2, options=Options(ensemble=True))
    assert np.array_equal(images.read(tmp_path / "SR/cat.png"), _enlarged(image))
    made_by = read_manifest(tmp_path / "SR")["made_by"]
    assert (made_by["architecture"], made_by["config"]) == ("toy", {"scale": 2, "bias": True})
    assert made_by["precision"] == "fp32"


def test_what_it_does_not_allow_is_refused(tmp_path):
    image = data.coffee()[:40, :40]
    network = _network()
    with pytest.raises(SrgridError, match=r"precision bf16: would ruin .* use fp32"):
        network.upscale(image, precision="bf16")
    assert np.array_equal(network.upscale(image, tile=32), _enlarged(image))  # a toy sees one pixel at a time
    with pytest.raises(SrgridError, match="scale 4: there is no such toy"):
        build("toy", 4)

    class Hungry(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("tried to allocate too much")

    with pytest.raises(SrgridError, match="40 x 40 pixels: not enough memory, even in tiles of 32"):
        replace(network, module=Hungry()).upscale(image)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"architecture": "toys"}, "unknown model architecture 'toys'; this srgrid knows 'rcan', 'toy'"),
        ({"config": {"scale": 2}}, "wrong keys"),
        ({"config": {"scale": 5, "bias": True}}, "scale 5: there is no such toy"),
        ({"licence": 3}, "its header's licence is no text"),
    ],
)
def test_a_damaged_header_is_known_without_reading_tensors(tmp_path, header, message):
    from safetensors.torch import save_file

    said = {"architecture": "toy", "name": "toy", "config": asdict(ToyConfig()), "provenance": {}} | header
    save_file(_network().module.state_dict(), tmp_path / "w.safetensors", metadata={"srgrid": json.dumps(said)})
    for read in (lambda file: locate(file).record(), lambda file: load(file, None)):
        with pytest.raises(SrgridError, match=message):
            read(tmp_path / "w.safetensors")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    for name in ("coffee", "chelsea", "astronaut"):
        images.write(folder / "HR" / f"{name}.png", np.ascontiguousarray(getattr(data, name)()[100:172, 100:172]))
    for scale in (2, 3):
        pack([folder / "HR"], scale, folder / f"x{scale}.srpack")
    return folder


def test_it_is_trained_and_starts_another_scale(packs, tmp_path):
    config = recipe(
        "demo", steps=60, batch=4, patch=8, lr=0.05, held_out=1, validate_every=20, log_every=10, precision="auto"
    )
    out = tmp_path / "toy_x2.safetensors"
    summary = train("toy", 2, packs / "x2.srpack", out, tmp_path / "state", config)
    trained = load(out, scale=2)
    assert trained.architecture == "toy"
    assert (trained.provenance["recipe"]["precision"], trained.provenance["steps"]) == ("fp32", 60)
    assert summary["psnr"] > 20
    assert weights_record(out)["measured"]["training"] == trained.provenance
    once, other = replace(config, steps=1), tmp_path / "toy_x3.safetensors"
    again = train("toy", 3, packs / "x3.srpack", other, tmp_path / "s3", once, init=out)
    assert again["steps"] == 1
    with pytest.raises(SrgridError, match="cannot start rcan-bam-xs"):
        train("rcan-bam-xs", 2, packs / "x2.srpack", tmp_path / "r.safetensors", tmp_path / "s4", config, init=out)


def test_finding_and_describing_by_records_needs_no_torch(tmp_path):
    build("rcan-bam-xs", 2).save(tmp_path / "w.safetensors")
    code = (
        "import sys; from srgrid.models import locate; from srgrid.networks import names, told; import srgrid.plan;"
        f"record = locate({str(tmp_path / 'w.safetensors')!r}).record();"
        "assert record.config.scale == 2 and 'rcan-s' in names() and locate('me/tiny').kind == 'hub';"
        "assert told('rcan', vars(record.config))['citations'] == ['zhang2018rcan', 'wang2021bam'];"
        "assert told('none', {}) == told('rcan', {'scale': 9}) == {};"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_network_is_moved_and_known_by_its_record():
    network = _network()
    assert network.to("cpu") is network
    assert Network.of(network.module, network.record).record == network.record
