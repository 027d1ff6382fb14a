"""Tiny ONNX networks, made with the onnx package, and TorchScript ones."""

import io

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Blur(nn.Module):
    """Enlarges by repeating pixels, and mixes each with its neighbours: a border shows."""

    def __init__(self, scale=2, channels=3):
        super().__init__()
        self.scale, self.conv = scale, nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.dirac_(self.conv.weight)
        self.conv.weight.data += 0.02
        self.conv.bias.data.zero_()

    def forward(self, x):
        return F.interpolate(self.conv(x), scale_factor=float(self.scale), mode="nearest")


def onnx_file(path, *, scale=2, channels=3, sides=("h", "w"), kind="FLOAT", times=1.0, nodes=None, weights=None):
    """A `Blur` as an ONNX file; times: what its answer is multiplied by; nodes, weights: others instead of its own."""
    from onnx import TensorProto, helper, numpy_helper

    conv = Blur(scale, channels).conv
    made = {
        "weight": conv.weight.detach().numpy(),
        "bias": conv.bias.detach().numpy(),
        "scales": np.array([1, 1, scale, scale], np.float32),
        "times": np.array(times, np.float32),
        "low": np.array(0, np.float32),
        "high": np.array(255, np.float32),
    }
    made |= weights or {}
    steps = nodes or [
        helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "weight", "bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["c", "", "scales"], ["u"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        helper.make_node("Mul", ["u", "times"], ["m"]),
        helper.make_node("Clip", ["m", "low", "high"], ["clipped"]),
        helper.make_node("Cast", ["clipped" if kind == "UINT8" else "m"], ["y"], to=getattr(TensorProto, kind)),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        steps,
        "tiny",
        [value("x", getattr(TensorProto, kind), [1, channels, *sides])],
        [value("y", getattr(TensorProto, kind), [1, None, None, None])],
        [numpy_helper.from_array(array, name) for name, array in made.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def script_file(path, module):
    """A module as a TorchScript file."""
    held = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), held)
    path.write_bytes(held.getvalue())
    return path
