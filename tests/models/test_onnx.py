"""ONNX files through onnxruntime (srgrid[onnx]): with the real library, on tiny networks made here."""

import sys
from types import SimpleNamespace

import graphs
import numpy as np
import pytest
import torch
from skimage import data

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.models import describe, load, locate
from srgrid.models.run import upscale_float
from srgrid.settings import Options
from srgrid.upscale import upscale_dir

IMAGE = data.astronaut()[100:121, 200:217]
MINIMAL = b"\x08\x09:\x02\x0a\x00"  # an ONNX file with an empty graph


@pytest.fixture
def onnx():
    pytest.importorskip("onnxruntime", reason="pip install srgrid[onnx]")
    return pytest.importorskip("onnx")


def _expected(image, scale=2, channels=3):
    """What the network of `graphs` makes of an image, by torch, not rounded."""
    x = torch.from_numpy(image).permute(2, 0, 1)[:, None] / 255
    x = x.permute(1, 0, 2, 3) if channels == 3 else x
    with torch.inference_mode():
        out = graphs.Blur(scale, channels)(x)
    out = out[0] if channels == 3 else out[:, 0]
    return (out.permute(1, 2, 0) * 255).clamp(0, 255).numpy()


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "n.pth").write_bytes(MINIMAL)
    with pytest.raises(SrgridError, match=r"n\.pth: an ONNX network; install srgrid\[onnx\]$"):
        load(tmp_path / "n.pth", 2)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_a_network_computes_as_torch_does(onnx, tmp_path, channels, kind, capsys):
    file = graphs.onnx_file(tmp_path / "tiny.pth", channels=channels, kind=kind)  # content decides, not the name
    network = load(file, 2)
    assert (network.architecture, network.scale, network.precisions, network.multiple_of) == ("ONNX", 2, ("fp32",), 1)
    out = upscale_float(network, [IMAGE])[0]
    np.testing.assert_allclose(out, _expected(IMAGE, 2, channels), atol=0.2 if kind == "FLOAT16" else 0.001)
    assert "inputs taken to be 0..1: assumed; give rgb_range" in capsys.readouterr().err
    assert np.array_equal(network.upscale(IMAGE), network.upscale(IMAGE))
    batch = [IMAGE, np.ascontiguousarray(IMAGE[::-1])]
    assert np.abs(upscale_float(network, batch)[1] - upscale_float(network, batch[1:])[0]).max() == 0


def test_it_says_what_it_is(onnx, tmp_path):
    file = graphs.onnx_file(tmp_path / "tiny.onnx", scale=3)
    place = locate(file, 3)
    assert (place.kind, place.scale(), place.reader) == ("file", None, f"onnxruntime {_version()}")
    told = describe(file, 3)
    assert told["config"]["rgb_range_from"] == "assumed"
    assert told["config"]["read_by"] == told["provenance"]["read_by"] == f"onnxruntime {_version()}"
    assert (told["licence"], told["config"]["scale"], told["config"]["channels"]) == (None, 3, 3)
    with pytest.raises(SrgridError, match=r"tiny\.onnx: built for scale 3, not 4"):
        load(file, 4)
    with pytest.raises(SrgridError, match="rgb_range 100"):
        load(file, 3, rgb_range=100)


def _version():
    import onnxruntime

    return onnxruntime.__version__


def test_ranges_and_uint8(onnx, tmp_path):
    """Values of 0..255 are fed where asked for, and to a network of uint8, which says so itself."""
    bytes_ = graphs.onnx_file(tmp_path / "u.onnx", kind="UINT8", weights={"bias": np.full(3, 0.49, np.float32)})
    network = load(bytes_, 2)
    assert (network.config.rgb_range, network.config.rgb_range_from) == (255, "the file")
    assert np.abs(network.upscale(IMAGE) - _expected(IMAGE)).max() <= 1
    with pytest.raises(SrgridError, match=r"says itself that its inputs are in 0\.\.255; leave rgb_range out"):
        load(bytes_, 2, rgb_range=255)
    lifted = graphs.onnx_file(tmp_path / "f.onnx", weights={"bias": np.full(3, 51, np.float32)})
    assert load(lifted, 2, rgb_range=1).upscale(IMAGE).min() == 255
    wide = load(lifted, 2, rgb_range=255)
    unclipped = _expected(IMAGE) < 255
    assert np.abs(wide.upscale(IMAGE) - np.clip(_expected(IMAGE) + 51, 0, 255))[unclipped].max() < 0.51
    assert wide.config.rgb_range_from == "given"


def test_one_size_is_refused_or_cut_into_where_asked(onnx, tmp_path):
    file = str(graphs.onnx_file(tmp_path / "fixed.onnx", sides=(32, 32)))
    network = load(file, 2)
    assert network.fixed == (32, 32)
    exact = data.coffee()[:32, :32]
    np.testing.assert_allclose(upscale_float(network, [exact])[0], _expected(exact), atol=0.001)
    images.write(tmp_path / "LR/a.png", data.coffee()[40:100, 60:105])
    images.write(tmp_path / "LR/b.png", exact)
    message = r"image of 45 x 60 pixels: this network takes 32 x 32 alone; .* ask for tiles \(--tile 32\)"
    with pytest.raises(SrgridError, match=message):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", file, 2)
    with pytest.raises(SrgridError, match="tile 48: this network takes images of 32 alone; ask for that"):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", file, 2, options=Options(tile=48))
    assert not (tmp_path / "SR").exists()
    upscale_dir(tmp_path / "LR", tmp_path / "SR", file, 2, options=Options(tile=32))
    assert read_manifest(tmp_path / "SR")["made_by"]["tiles"] == {"a": {"side": 32, "overlap": 8}}
    whole = _expected(data.coffee()[40:100, 60:105])
    assert np.abs(images.read(tmp_path / "SR/a.png") - whole).max() < 0.51  # the network sees one pixel around each
    small = network.upscale(exact[:20, :9], tile=32)
    assert small.shape == (40, 18, 3)


def test_a_size_multiple_is_found(onnx, tmp_path):
    nodes = [
        onnx.helper.make_node("SpaceToDepth", ["x"], ["d"], blocksize=4),
        onnx.helper.make_node("DepthToSpace", ["d"], ["e"], blocksize=4),
        onnx.helper.make_node("Resize", ["e", "", "scales"], ["y"], mode="nearest"),
    ]
    network = load(graphs.onnx_file(tmp_path / "m.onnx", nodes=nodes), 2)
    assert network.multiple_of == 4
    assert network.upscale(IMAGE).shape == (42, 34, 3)


def test_channels_last(onnx, tmp_path):
    make = onnx.helper.make_node
    nodes = [make("Resize", ["x", "", "s"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor")]  # fmt: skip
    value = onnx.helper.make_tensor_value_info
    shape = [None, None, None, 3]
    scales = onnx.numpy_helper.from_array(np.array([1, 2, 2, 1], np.float32), "s")
    graph = onnx.helper.make_graph(nodes, "last", [value("x", 1, shape)], [value("y", 1, shape)], [scales])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "last.onnx").write_bytes(model.SerializeToString())
    out = load(tmp_path / "last.onnx", 2).upscale(IMAGE)
    assert np.array_equal(out, IMAGE.repeat(2, 0).repeat(2, 1))


def _faulty(onnx, tmp_path, fault):
    """A file with one fault."""
    make, file = onnx.helper.make_node, tmp_path / "bad.onnx"
    if fault == "torn":
        file.write_bytes(graphs.onnx_file(file).read_bytes()[:-9])
    elif fault == "damaged":
        file.write_bytes(MINIMAL + b"\xff" * 40)
    elif fault == "same size":
        graphs.onnx_file(file, nodes=[make("Identity", ["x"], ["y"])])
    elif fault == "uneven":
        graphs.onnx_file(file, weights={"scales": np.array([1, 1, 2, 3], np.float32)})
    elif fault == "one channel":
        graphs.onnx_file(file, nodes=[make("ReduceMean", ["x"], ["y"], axes=[1])])
    elif fault == "four channels":
        graphs.onnx_file(file, channels=4)
    elif fault == "raises":
        nodes = [make("Reshape", ["x", "shape"], ["y"])]
        graphs.onnx_file(file, nodes=nodes, weights={"shape": np.array([1, 3, 7, 7])})
    elif fault == "own operation":
        graphs.onnx_file(file, nodes=[make("Magic", ["x"], ["y"], domain="theirs")])
    elif fault == "integers":
        graphs.onnx_file(file, kind="INT32")
    elif fault == "memory":
        nodes = [make("ConstantOfShape", ["huge"], ["h"]), make("ReduceMean", ["h"], ["m"], keepdims=0)]
        nodes.append(make("Add", ["x", "m"], ["y"]))
        graphs.onnx_file(file, nodes=nodes, weights={"huge": np.array([1 << 20, 1 << 20])})
    elif fault == "elsewhere":
        model = onnx.load(graphs.onnx_file(file))
        args = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
        onnx.save_model(model, str(file), **args)
    return file


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("torn", r"bad\.onnx: onnxruntime cannot read it \(InvalidProtobuf"),
        ("damaged", r"bad\.onnx: onnxruntime cannot read it \(InvalidProtobuf"),
        ("same size", "built for scale 1, not 2"),
        ("uneven", "answered 1 x 3 x 17 x 19 with 1 x 3 x 34 x 57, which is no enlargement of it by a whole number"),
        ("one channel", "answered 1 x 3 x 17 x 19 with 1 x 1 x 17 x 19, which is no enlargement .* grey to grey"),
        ("four channels", "takes 4 channels; take a network for colour or for grey images"),
        ("raises", "its network failed on an input of 1 x 3 x 17 x 19: "),
        ("own operation", "onnxruntime cannot read it"),
        ("integers", r"x is a tensor\(int32\); images are tensors of float, float16 or uint8"),
        ("memory", "not enough memory to (prepare its network|run it on an image of 19 x 17 pixels)"),
        ("elsewhere", "keeps its weights in another file; export it whole, with external_data=False"),
    ],
)
def test_what_is_no_network_for_images_is_said(onnx, tmp_path, fault, message):
    images.write(tmp_path / "LR/a.png", IMAGE)
    with pytest.raises(SrgridError, match=message):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", str(_faulty(onnx, tmp_path, fault)), 2)
    assert not (tmp_path / "SR").exists()


def test_answers_that_are_not_finite_leave_nothing_behind(onnx, tmp_path):
    file = graphs.onnx_file(tmp_path / "nan.onnx", times=np.inf)
    images.write(tmp_path / "LR/a.png", data.coffee()[:16, :18])
    with pytest.raises(SrgridError, match=r"a\.png: the network's answer in fp32 is not finite"):
        upscale_dir(tmp_path / "LR", tmp_path / "SR", str(file), 2)
    assert not (tmp_path / "SR").exists()


def test_where_and_on_how_many_threads_it_computes(onnx, tmp_path, monkeypatch, capsys):
    """CUDA is taken where onnxruntime has it and the device asks for it; else it is said, and the CPU computes."""
    import onnxruntime

    made = []
    real = onnxruntime.InferenceSession

    def session(raw, options, providers):
        made.append((options.intra_op_num_threads, options.use_deterministic_compute, providers))
        return real(raw, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    images.write(tmp_path / "LR/a.png", IMAGE)
    threads = torch.get_num_threads()
    file = graphs.onnx_file(tmp_path / "t.onnx")
    upscale_dir(tmp_path / "LR", tmp_path / "SR", str(file), 2, options=Options(threads=3, device="cpu"))
    torch.set_num_threads(threads)
    assert made == [(3, True, ["CPUExecutionProvider"])]
    made_by = read_manifest(tmp_path / "SR")["made_by"]
    assert (made_by["device"], made_by["config"]["read_by"]) == ("cpu", f"onnxruntime {_version()}")
    program = load(file, 2).module.inner
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    program._apply(lambda _: SimpleNamespace(device=torch.device("cuda", 1)))
    assert "this onnxruntime has no CUDA; computes on the CPU" in capsys.readouterr().err
    assert program.place.device.type == "cpu"
    program._session(torch.device("cuda", 1))
    assert made[-1][2] == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
