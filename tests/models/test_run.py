"""Running on real photographs: tiles, precision, self-ensemble, memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from srgrid import progress
from srgrid.errors import SrgridError
from srgrid.models import Network, build, run


def _model(name: str, scale: int):
    """Fresh weights with the attention branches set to matter, so that a wrong pooled mean shows."""
    torch.manual_seed(0)
    model = build(name, scale)
    model.module.eval()
    with torch.no_grad():
        for key, value in model.module.named_parameters():
            if ".ca." in key or "conv_du" in key:
                value.mul_(8)
    return model


@pytest.mark.parametrize(("name", "scale"), [("rcan-bam-s", 4), ("rcan-s", 2), ("rcan-bam-xs", 3)])
@pytest.mark.parametrize("side", [32, 47])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tiles_give_the_whole_image_to_within_one_level(name, scale, side, precision):
    model, image = _model(name, scale), data.astronaut()[60:170, 150:290]
    whole = run.upscale_float(model, [image], precision=precision)[0]
    tiles = run.upscale_float(model, [image], tile=side, precision=precision)[0]
    assert whole.std() > 10
    assert np.abs(whole - tiles).max() < (0.01 if precision == "fp32" else 1)


def test_cutting_the_image_up_before_the_network_is_not_the_same():
    """Why tiles are made inside the network: the attention's means would be another crop's."""
    model, image = _model("rcan-bam-s", 2), data.astronaut()[60:188, 150:278]
    whole = run.upscale_float(model, [image], precision="fp32")[0]
    corner = run.upscale_float(model, [image[:64, :64]], precision="fp32")[0]
    assert np.abs(whole[:64, :64] - corner[:64, :64]).max() > 0.1


def test_bf16_stays_close_to_fp32():
    model, image = _model("rcan-bam-s", 4), data.chelsea()[100:164, 100:180]
    a, b = (run.upscale_float(model, [image], precision=p)[0] for p in ("fp32", "bf16"))
    assert 0 < np.abs(a - b).mean() < 0.25


def test_bf16_is_refused_where_it_would_ruin_the_image():
    model = build("rcan-bam-xs", 2)
    with torch.no_grad():
        model.module.sub_mean.bias.mul_(255)
    model = Network.of(model.module, model.record)
    image = data.coffee()[:40, :40]
    assert run.upscale_array(model, image, precision="auto").shape == (80, 80, 3)
    with pytest.raises(SrgridError, match="use fp32"):
        run.upscale_array(model, image, precision="bf16")
    with pytest.raises(SrgridError, match="int8"):
        run.upscale_array(model, image, precision="int8")


def test_self_ensemble_commutes_with_turning_the_image():
    model, image = _model("rcan-bam-xs", 2), data.coffee()[50:90, 60:110]
    plain = run.upscale_float(model, [image], ensemble=True, precision="fp32")[0]
    turned = run.upscale_float(model, [np.rot90(image[:, ::-1]).copy()], ensemble=True, precision="fp32")[0]
    np.testing.assert_allclose(np.rot90(turned, -1)[:, ::-1], plain, atol=2e-3)
    single = run.upscale_float(model, [image], precision="fp32")[0]
    assert np.abs(single - plain).max() > 0.1


def test_a_batch_is_its_images_one_by_one():
    model = _model("rcan-bam-xs", 3)
    images = [data.astronaut()[:40, :50], data.chelsea()[:40, :50], data.camera()[:40, :50]]
    batch = run.upscale_float(model, images, precision="fp32")
    for image, together in zip(images, batch, strict=True):
        np.testing.assert_allclose(run.upscale_float(model, [image], precision="fp32")[0], together, atol=1e-3)


def test_grey_in_grey_out_as_the_mean_of_three_channels():
    model, grey = _model("rcan-bam-xs", 2), data.camera()[:40, :50]
    colour = run.upscale_float(model, [np.repeat(grey[..., None], 3, axis=2)])[0]
    alone = run.upscale_float(model, [grey])[0]
    assert alone.shape == (80, 100)
    np.testing.assert_array_equal(alone, colour.mean(axis=2))


def test_the_kind_of_image_comes_back():
    model = build("rcan-bam-xs", 2)
    picture = Image.fromarray(data.coffee()[:20, :30])
    for mode, expected in (("RGB", "RGB"), ("L", "L"), ("P", "RGB")):
        big = model.upscale(picture.convert(mode))
        assert (big.mode, big.size) == (expected, (60, 40))
    assert model.upscale(np.asarray(picture)).dtype == np.uint8
    with pytest.raises(SrgridError, match="uint8"):
        model.upscale(np.zeros((4, 4), np.float32))
    with pytest.raises(SrgridError, match="1 or 3 channels"):
        model.upscale(np.zeros((4, 4, 2), np.uint8))


def test_out_of_memory_falls_back_to_smaller_tiles():
    model, image = _model("rcan-bam-xs", 2), data.astronaut()[:100, :130]
    expected = run.upscale_float(model, [image], precision="fp32")[0]
    tried = []
    real = model.tiler.run

    def short_of_memory(module, x, side):
        tried.append(side)
        if side > 40:
            raise torch.OutOfMemoryError("tried to allocate too much")
        return real(module, x, side)

    model = replace(model, tiler=replace(model.tiler, run=short_of_memory))
    out = run.upscale_float(model, [image], tile=96, precision="fp32")[0]
    assert tried == [96, 48, 32]
    np.testing.assert_allclose(out, expected, atol=0.01)

    def no_memory(*_):
        raise torch.OutOfMemoryError("no")

    model = replace(model, tiler=replace(model.tiler, run=no_memory))
    with pytest.raises(SrgridError, match="not enough memory"):
        run.upscale_float(model, [image], tile=96)


def test_tile_size_follows_free_memory(monkeypatch):
    model, x = build("rcan-bam", 4), torch.zeros(1, 3, 500, 700)
    monkeypatch.setattr(run, "free_memory", lambda device: 64 << 30)
    assert run.largest_tile(model.tiler, model.config, x) == 700
    monkeypatch.setattr(run, "free_memory", lambda device: 1 << 30)
    assert 32 <= run.largest_tile(model.tiler, model.config, x) < 300
    with pytest.raises(SrgridError, match="smallest tile"):
        run.upscale_float(model, [data.coffee()[:40, :40]], tile=8)


def test_memory_that_an_earlier_image_took_is_had_again_before_tiles_are_cut(monkeypatch):
    model, x = build("rcan-bam", 4), torch.zeros(1, 3, 500, 700)
    free = [1 << 30]
    monkeypatch.setattr(run, "free_memory", lambda device: free[0])
    monkeypatch.setattr(run.heap, "give_back_freed", lambda: free.__setitem__(0, 64 << 30))
    assert run.largest_tile(model.tiler, model.config, x) == 700


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    model, image = _model("rcan-bam-s", 4), data.astronaut()[:100, :130]
    cpu = run.upscale_float(model, [image], precision="fp32")[0]
    model.to("cuda")
    for tile in (None, 48):
        gpu = run.upscale_float(model, [image], tile=tile, precision="fp32")[0]
        assert np.abs(gpu - cpu).max() < 1


def test_a_batch_is_halved_before_it_is_tiled(monkeypatch):
    """Four images that do not fit together fit two by two, whole; only one that does not fit alone is tiled."""
    images = [data.astronaut()[60:108, 150:198], data.astronaut()[90:138, 50:98]] * 2
    model = _model("rcan-bam-xs", 2)
    whole = [run.upscale_float(model, [image], precision="fp32")[0] for image in images]
    seen, real, room = [], model.module.forward, [2]

    def forward(x):
        seen.append(len(x))
        if len(x) > room[0]:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return real(x)

    monkeypatch.setattr(model.module, "forward", forward)
    for together, tries in ((2, [4, 2, 2]), (1, [4, 2, 1, 1, 2, 1, 1])):
        seen.clear()
        room[0] = together
        found = run.upscale_float(model, images, precision="fp32")
        assert seen == tries
        for a, b in zip(found, whole, strict=True):
            assert np.abs(a - b).max() < 0.01


@pytest.mark.parametrize("tiler", [True, False], ids=["in the network", "before it"])
def test_tiles_show_how_far_they_are(monkeypatch, capsys, tiler):
    model, image = _model("rcan-bam-xs", 2), data.coffee()[:70, :100]
    model = model if tiler else replace(model, tiler=None)
    run.upscale_float(model, [image], tile=48)
    assert capsys.readouterr().err == ""  # done at once: nothing to say
    monkeypatch.setattr(progress, "LOG_EVERY_S", -1.0)
    run.upscale_float(model, [image], tile=48)
    shown = capsys.readouterr().err.splitlines()
    number = len(shown) - 1
    assert number == (3 + 1 * (2 * 3 + 1)) * 2 * 3 if tiler else number > 4
    assert shown[0].startswith(f"tiles of an image of 100 x 70 pixels: 1/{number}, ")
    assert shown[-1] == f"tiles of an image of 100 x 70 pixels: {number} done"
