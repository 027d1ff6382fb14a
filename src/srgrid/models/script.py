"""TorchScript files: programs for torch's own interpreter, which cannot call Python but could open files.

Reading one runs none of it, since a program that asks for that (`__setstate__`) is refused. Before the first run, every
operation in it is looked at: those that reach beyond tensors are refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.models.container import Content, check_sizes
from srgrid.models.devices import bounded_memory, out_of_memory
from srgrid.models.guest import reason
from srgrid.models.network import Network
from srgrid.models.program import Program, network_of
from srgrid.models.tensors import first_not_finite

_LIBRARIES = ("aten", "prim", "prims")
# Those of _LIBRARIES that open files, call Python or another machine.
_REFUSED = {"aten::save", "aten::from_file", "prim::PythonOp", "prim::IgnoredPythonOp"}
_REMOTE = "prim::rpc_"


def load_script(content: Content, rgb_range: float | None = None) -> Network:
    """The network of a TorchScript file, in fp32 on the CPU.

    Raises SrgridError if it is torn, would do more than compute, or is no network from image to image.
    """
    where = str(content.path)
    _check_records(content, where)
    torch_c: Any = torch._C  # what torch.jit.load, which is deprecated, calls; but with all functions in our hands
    unit = torch_c.CompilationUnit()
    try:
        with bounded_memory(torch.device("cpu")):
            read = torch_c.import_ir_module_from_buffer(unit, content.raw, torch.device("cpu"), {}, False)
            module: Any = torch.jit._recursive.wrap_cpp_module(read)  # type: ignore[no-untyped-call]
            functions = [(function.qualified_name, function.graph) for function in unit.get_functions()]
    except Exception as error:  # a hostile archive makes torch raise anything
        if out_of_memory(error):
            raise SrgridError(f"{where}: not enough memory to read it; take a smaller network") from None
        raise SrgridError(f"{where}: torn, or no TorchScript that torch can read ({reason(error)})") from None
    for name, graph in functions:
        for node in _nodes(graph):
            _check(node, name, where)
    tensors = dict(module.state_dict())
    check_sizes(content.path, tensors, len(content.raw))
    if bad := first_not_finite((name, t) for name, t in tensors.items() if t.is_floating_point()):
        raise SrgridError(f"{where}: {bad[:80]} holds values that are not finite (NaN or infinite); fetch it again")
    if not hasattr(module, "forward"):
        raise SrgridError(f"{where}: its program has no forward; save the network itself")
    return network_of(_Script(module.float()), content, "TorchScript", f"torch {torch.__version__}", rgb_range)


class _Script(Program):
    """A TorchScript module."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def one(self, x: Tensor) -> Any:
        """The answer to 1 x C x H x W, by the plain interpreter: optimised, it would change after some runs."""
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return self.module(x)


def _check_records(content: Content, where: str) -> None:
    """Raise SrgridError for a torn archive, and for one that would run as it is read: torch trusts both."""
    try:
        with zipfile.ZipFile(io.BytesIO(content.raw)) as archive:
            torn = archive.testzip()
            records = [(record.filename, archive.read(record)) for record in archive.infolist()]
    except Exception as error:  # zipfile raises anything on damaged bytes
        raise SrgridError(f"{where}: torn zip file ({reason(error)}); fetch it again") from None
    if torn:
        raise SrgridError(f"{where}: torn zip file ({torn}); fetch it again")
    code = b"".join(held for name, held in records if name.endswith(".py"))
    pickles = b"".join(held for name, held in records if name.endswith(".pkl"))
    if b"__setstate__" in code or b"torch.classes" in pickles.replace(b"\n", b"."):
        raise SrgridError(f"{where}: a TorchScript program that runs as it is read, and is refused; export it as ONNX")


def _nodes(block: Any) -> Iterator[Any]:
    """Every operation in a block, and in those inside it."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
        for name in node.attributeNames():
            kind = node.kindOf(name)
            for graph in [node.g(name)] if kind == "g" else node.gs(name) if kind == "gs" else []:
                yield from _nodes(graph)


def _check(node: Any, function: str, where: str) -> None:
    kind = node.kind()
    harmless = kind.split("::")[0] in _LIBRARIES and kind not in _REFUSED and not kind.startswith(_REMOTE)
    if harmless and "torch.classes" not in str(node):
        return
    raise SrgridError(
        f"{where}: its program calls {kind} in {function[-80:]}, which does more than compute on tensors, and is"
        " refused; export it as ONNX"
    )
