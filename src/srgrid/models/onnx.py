"""ONNX files, run by onnxruntime (extra `onnx`): a graph of known operations and its weights, no code.

The session computes deterministically and on torch's number of threads, or by CUDA where both torch's device and
onnxruntime have it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srgrid.code import version
from srgrid.errors import SrgridError
from srgrid.models.container import Content
from srgrid.models.devices import bounded_memory, out_of_memory
from srgrid.models.guest import reason
from srgrid.models.network import Network
from srgrid.models.program import Program, network_of

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
# Of a tensor that is kept in another file: the key "location" of its external_data.
_ELSEWHERE = b"\x0a\x08location"


def load_onnx(content: Content, rgb_range: float | None = None) -> Network:
    """The network of an ONNX file, in fp32 on the CPU.

    Raises SrgridError if onnxruntime is missing, cannot read the file, or it is no network from image to image.
    """
    where = str(content.path)
    try:
        import onnxruntime
    except ImportError as error:
        missing = getattr(error, "name", "") == "onnxruntime"
        why = "" if missing else f" anew: onnxruntime cannot be imported ({reason(error)})"
        raise SrgridError(f"{where}: an ONNX network; install srgrid[onnx]{why}") from None
    if _ELSEWHERE in content.raw:
        raise SrgridError(f"{where}: keeps its weights in another file; export it whole, with external_data=False")
    program = _Onnx(onnxruntime, content.raw, where)
    return network_of(program, content, "ONNX", f"onnxruntime {version('onnxruntime')}", rgb_range)


class _Onnx(Program):
    """A session of onnxruntime. Its one parameter is empty, and says where it computes."""

    def __init__(self, onnxruntime: Any, raw: bytes, where: str) -> None:
        super().__init__()
        self.onnxruntime, self.raw, self.where = onnxruntime, raw, where
        self.place = torch.nn.Parameter(torch.empty(0), requires_grad=False)
        self.sessions = {"cpu": self._session(torch.device("cpu"))}
        inputs, outputs = self.sessions["cpu"].get_inputs(), self.sessions["cpu"].get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise SrgridError(
                f"{where}: has {len(inputs)} inputs and {len(outputs)} outputs; export it with an image as its only"
                " input and its only output"
            )
        self.input = inputs[0].name
        self.takes, self.gives = _type(inputs[0], where), _type(outputs[0], where)
        self.rgb_range = 255.0 if self.takes is np.uint8 else None
        shape = list(inputs[0].shape)
        if len(shape) != 4:
            raise SrgridError(f"{where}: its input has {len(shape)} dimensions; images have 4: N x C x H x W")
        self.last = shape[3] in (1, 3) and shape[1] not in (1, 3)  # N x H x W x C, as TensorFlow has it
        _, channels, height, width = [shape[i] for i in (0, 3, 1, 2)] if self.last else shape
        if isinstance(channels, int):
            if channels not in (1, 3):
                raise SrgridError(f"{where}: takes {channels} channels; take a network for colour or for grey images")
            self.channels = (channels,)
        self.fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def _session(self, device: torch.device) -> Any:
        options = self.onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions
        options.use_deterministic_compute = True
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        cuda = [(_CUDA, {"device_id": device.index or 0})] if device.type == "cuda" else []
        try:
            with bounded_memory(device):
                return self.onnxruntime.InferenceSession(self.raw, options, providers=[*cuda, _CPU])
        except Exception as error:  # of a damaged file, onnxruntime raises a dozen kinds
            if out_of_memory(error):
                raise SrgridError(
                    f"{self.where}: not enough memory to prepare its network; take a smaller one, or more memory"
                ) from None
            raise SrgridError(f"{self.where}: onnxruntime cannot read it ({reason(error)}); export it again") from None

    def _apply(self, fn: Any, recurse: bool = True) -> _Onnx:
        """As of any module: moves it, but not to a device that onnxruntime cannot use."""
        device = fn(self.place.data).device
        if device.type == "cuda" and _CUDA not in self.onnxruntime.get_available_providers():
            print(f"srgrid: {self.where}: this onnxruntime has no CUDA; computes on the CPU", file=sys.stderr)
            return self
        if str(device) not in self.sessions:
            self.sessions = {str(device): self._session(device)}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def one(self, x: Tensor) -> Tensor:
        """The answer to 1 x C x H x W."""
        image = x.permute(0, 2, 3, 1) if self.last else x
        if self.takes is np.uint8:
            image = image.round().clamp(0, 255)
        values: Any = np.ascontiguousarray(image.cpu().numpy()).astype(self.takes)
        session = self.sessions[str(self.place.device)]
        answer = torch.from_numpy(np.asarray(session.run(None, {self.input: values})[0]).astype(np.float32))
        if self.gives is np.uint8 and self.takes is not np.uint8:
            raise SrgridError(f"{self.where}: answers floats with uint8; export it with one type for both")
        out = answer.permute(0, 3, 1, 2) if self.last and answer.ndim == 4 else answer
        return out.to(x.device)


def _type(value: Any, where: str) -> type:
    """The type of an input's or output's numbers."""
    if value.type not in _TYPES:
        raise SrgridError(f"{where}: {value.name} is a {value.type}; images are tensors of float, float16 or uint8")
    return _TYPES[value.type]
