"""What networks cost: counts worked out by hand, and those that their authors print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from srgrid.errors import SrgridError
from srgrid.models import build, load
from srgrid.models.cost import count, measure
from srgrid.models.entry_load import EntryConfig
from srgrid.models.guest import Guest, OfImages
from srgrid.models.network import Network
from srgrid.models.run import NotFiniteError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WEIGHTS = Path(os.environ.get("SRGRID_WEIGHTS", ""))  # of other groups, never part of this project


def of(module, scale=4, multiple_of=1):
    """Any module as a network."""
    config = EntryConfig(scale, "own", "0" * 64)
    return Network(Guest(module, "own", scale), "own", "", scale, config, precisions=("fp32",), multiple_of=multiple_of)


class Hand(nn.Module):
    """A convolution, a group convolution that runs twice, attention over rows, and a pixel shuffle."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.group = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.linear = nn.Linear(8, 8)
        self.tail = nn.Conv2d(8, 3 * 16, 1)
        self.shuffle = nn.PixelShuffle(4)
        self.slope = nn.Parameter(torch.ones(8), requires_grad=False)
        self.register_buffer("table", torch.ones(1000))

    def forward(self, x):
        x = self.group(torch.relu(self.group(self.head(x)))) * self.slope[:, None, None]
        rows = x.permute(0, 2, 3, 1)  # each row attends to itself: W tokens of 8 numbers
        rows = nn.functional.scaled_dot_product_attention(self.linear(rows), rows, rows)
        return self.shuffle(self.tail(rows.permute(0, 3, 1, 2)))


def test_counts_worked_out_by_hand():
    found = count(of(Hand()))
    width, height = 320, 180
    pixels = width * height
    assert (found.width, found.height, found.note) == (width, height, "")
    weights = (3 * 8 * 9 + 8) + 8 * 2 * 9 + (8 * 8 + 8) + (8 * 48 + 48) + 8
    assert found.parameters == weights
    per_pixel = 3 * 8 * 9 + 2 * (8 * 2 * 9) + 8 * 8 + 8 * 48
    attention = 2 * height * width * width * 8  # of every row, query times key, and the weights times value
    assert found.multiply_adds == per_pixel * pixels + attention
    assert found.activations == (8 + 8 + 8 + 48) * pixels


@pytest.mark.parametrize(("scale", "lr"), [(2, (640, 360)), (3, (427, 240)), (4, (320, 180)), (8, (160, 90))])
def test_the_lr_size_gives_720p_and_is_padded_where_the_network_wants_it(scale, lr):
    network = of(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=scale)), scale)
    found = count(network)
    assert (found.width, found.height) == lr
    assert found.multiply_adds == 9 * lr[0] * lr[1]
    padded = of(network.module.inner, scale, multiple_of=64)
    assert count(padded).multiply_adds == 9 * (-(-lr[0] // 64) * 64) * (-(-lr[1] // 64) * 64)


def test_modules_of_torch_are_counted_by_their_products():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.up = nn.ConvTranspose2d(3, 3, 4, stride=4)

        def forward(self, x):
            token = nn.functional.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)
            token = nn.functional.pad(token, (0, 1))
            return self.up(x) + self.attention(token, token, token)[0].mean()

    found = count(of(Heads()))
    projections, products = 4 * (4 * 12 + 4 * 4), 2 * 2 * 4 * 4 * 2
    assert found.multiply_adds == 320 * 180 * 3 * 3 * 16 + projections + products
    assert found.activations == 3 * 1280 * 720


def test_what_cannot_be_counted_is_said_and_nothing_is_counted_in_silence():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells = nn.LSTM(3, 3, batch_first=True)

        def forward(self, x):
            rows = self.cells(x.mean(2).transpose(1, 2))[0].transpose(1, 2)
            return nn.functional.interpolate(x + rows[:, :, None], scale_factor=4)

    found = count(of(Recurrent()))
    assert (found.multiply_adds, found.parameters) == (None, 2 * (3 * 12 + 12))
    assert found.note.startswith("multiply-adds not counted: torch has no formula for aten.")

    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return nn.functional.interpolate(x * self.weight if x.mean() > 0.1 else x, scale_factor=4)

    found = count(of(Looks()))
    assert (found.parameters, found.multiply_adds, found.activations) == (1, None, None)
    assert "cannot be run without content (DataDependent" in found.note

    found = count(of(OfImages(lambda image: image.repeat(4, 0).repeat(4, 1))))
    assert (found.parameters, found.multiply_adds, found.activations) == (None, None, None)
    assert "a function of images" in found.note


def test_a_network_that_fails_is_no_network_that_cannot_be_counted():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no such layer")

    with pytest.raises(SrgridError, match="own: its network failed on an input of 1 x 3 x 64 x 64: ValueError: no su"):
        count(of(Fails()))
    with pytest.raises(SrgridError, match="where scale 4 makes 1 x 3 x 256 x 256; is it made for another scale"):
        count(of(nn.Upsample(scale_factor=2)))


def test_counting_computes_nothing_and_leaves_torch_as_it_was():
    network = build("rcan-bam-s", 4)
    before = [parameter.clone() for parameter in network.module.parameters()]
    fast = torch.backends.mha.get_fastpath_enabled()
    count(network)
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert torch.is_grad_enabled()
    assert all(map(torch.equal, before, network.module.parameters()))
    assert network.upscale(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("name", "parameters", "giga"),
    [("rcan", 15_592_379, 916.87), ("rcan-s", 422_619, 31.11), ("rcan-bam-s", 422_891, 31.16)],
)
def test_our_own_networks(name, parameters, giga):
    found = count(build(name, 4))
    assert (found.parameters, found.note) == (parameters, "")
    assert found.multiply_adds / 1e9 == pytest.approx(giga, rel=1e-3)


def test_rlfn_has_the_activations_that_its_authors_print():
    """github.com/bytedance/RLFN, its challenge's network on 256 x 256: 0.317 M parameters, 80.05 M activations, and
    19.70 G operations by the challenge's counter, which takes an activation function's answer for one, too."""
    code = {}
    exec((EXAMPLES / "rlfn.py").read_text(), code)
    found = count(of(code["RLFN"](4, features=46, inner=48, blocks=4)), output=(1024, 1024))
    assert (found.width, found.height) == (256, 256)
    assert found.parameters == 317_218
    assert found.activations / 1e6 == pytest.approx(80.05, abs=0.005)
    activated = 4 * (48 + 48 + 46) * 256**2
    assert (found.multiply_adds + activated) / 1e9 == pytest.approx(19.70, abs=0.005)


@pytest.mark.parametrize(("scale", "giga"), [(2, 91.2), (3, 46.1), (4, 32.5)])
def test_carn_m_has_its_papers_multiply_adds(scale, giga):
    """Ahn et al. 2018, who count x3 at 1280 / 3 pixels. Their 412 K are the weights of all three scales, no biases."""
    network = load(f"{EXAMPLES}/carn_m.py:carn_m", scale)
    found = count(network)
    assert found.multiply_adds / 1e9 * (1280 / 3 / 427 if scale == 3 else 1) == pytest.approx(giga, abs=0.05)
    assert found.parameters == 414_811
    assert sum(p.numel() for p in network.module.parameters() if p.ndim > 1) // 1000 == 412


def test_measuring_runs_what_it_says():
    calls = []

    class Counts(nn.Module):
        def forward(self, x):
            calls.append(tuple(x.shape))
            return nn.functional.interpolate(x, scale_factor=4)

    found = measure(of(Counts()), "own x4", (40, 24), warmup=2, repeats=5)
    assert calls == [(1, 3, 24, 40)] * 7
    assert len(found.seconds) == 5
    assert all(0 < seconds < 5 for seconds in found.seconds)
    assert (found.precision, bool(found.device)) == ("fp32", True)
    assert found.memory is None or 0 <= found.memory < 2**30


def test_memory_is_what_the_network_wants():
    """On a machine that tells it, at least the 64 MiB that are held at once."""

    class Holds(nn.Module):
        def forward(self, x):
            held = torch.ones(64, 2**20 // 4)
            return nn.functional.interpolate(x, scale_factor=4) * held.mean()

    found = measure(of(Holds()), "own x4", (16, 16), warmup=1, repeats=2)
    assert found.memory is None or 64 * 2**20 <= found.memory + 2**20 < 128 * 2**20


def test_what_the_process_kept_does_not_hide_what_a_call_takes():
    """Beside a training, after which the C library keeps what is freed."""
    words = [
        "import numpy as np",
        "from srgrid.clock import peak_growth",
        "from srgrid.heap import keep_freed",
        "keep_freed()",
        "held = np.ones(2**26, np.uint8)",
        "del held",
        "print(peak_growth(lambda: np.ones(2**26, np.uint8).sum())[1])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(words)], capture_output=True, text=True, check=True)
    if done.stdout.strip() != "None":
        assert 2**26 <= int(done.stdout) + 2**20 < 2**27


def test_an_answer_that_is_not_finite_and_a_lack_of_memory_are_told():
    class Gives(nn.Module):
        def __init__(self, answer):
            super().__init__()
            self.answer = answer

        def forward(self, x):
            return self.answer(nn.functional.interpolate(x, scale_factor=4))

    def lacks(x):
        raise torch.OutOfMemoryError("tried to allocate 8 GiB")

    with pytest.raises(NotFiniteError, match=r"own x4: the network's answer in fp32 is not finite"):
        measure(of(Gives(lambda x: x / 0)), "own x4", (16, 16), warmup=1, repeats=2)
    with pytest.raises(SrgridError, match="image of 16 x 12 pixels: not enough memory"):
        measure(of(Gives(lacks)), "own x4", (16, 12), warmup=1, repeats=2)


@pytest.mark.gpu
def test_gpu_tells_seconds_and_memory_of_its_own():
    network = build("rcan-bam-xs", 4).to("cuda")
    found = measure(network, "own x4", (128, 96), warmup=3, repeats=5)
    assert found.device == torch.cuda.get_device_name()
    assert all(0 < seconds < 1 for seconds in found.seconds)
    assert found.memory > 4 * 3 * 512 * 384


@pytest.mark.skipif(not os.environ.get("SRGRID_WEIGHTS"), reason="no weights of others: set SRGRID_WEIGHTS")
def test_a_network_that_spandrel_builds_is_counted():
    pytest.importorskip("spandrel", reason="no spandrel: pip install srgrid[zoo]")
    found = count(load(str(WEIGHTS / "DCTLSA/X4.pt"), 4))
    assert found.note == ""
    assert (found.width, found.height) == (320, 180)
    assert 1e9 < found.multiply_adds < 1e12
