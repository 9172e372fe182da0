"""Files of matrices and of weights that hold something else."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Make = Callable[[Path], None]


def _saved(value: Any) -> Make:
    def make(path: Path) -> None:
        with open(path, "wb") as stream:
            np.save(stream, value() if callable(value) else value, allow_pickle=True)

    return make


def _bytes(content: bytes) -> Make:
    return lambda path: path.write_bytes(content) and None


def _archive(path: Path) -> None:
    with open(path, "wb") as stream:
        np.savez(stream, a=np.eye(2), b=np.eye(2))


_E = np.array([[0, 1], [0, 0]])
_SL2 = np.stack([_E, _E.T, np.array([[1, 0], [0, -1]])])

MATRICES: dict[str, Make] = {
    "sl2": _saved(_SL2),
    "sl2-huge": _saved(_SL2 * 1e300),
    "sl2-tiny": _saved(_SL2 * 1e-300),
    "sl2-subnormal": _saved(_SL2 * 5e-324),
    "mixed-sizes": _saved(_SL2 * np.array([1e200, 1, 1e-200])[:, None, None]),
    "huge-integers": _saved(_SL2 * 2**62),
    "no-generators": _saved(np.zeros((0, 3, 3))),
    "of-size-zero": _saved(np.zeros((3, 0, 0))),
    "zeros": _saved(np.zeros((2, 3, 3))),
    "nothing": _saved(np.zeros(0)),
    "scalar": _saved(np.array(3.0)),
    "one-matrix": _saved(np.eye(3)),
    "not-square": _saved(np.ones((2, 3, 4))),
    "four-dimensions": _saved(np.ones((2, 2, 2, 2))),
    "nan": _saved(np.full((2, 2, 2), np.nan)),
    "inf": _saved(np.full((2, 2, 2), np.inf)),
    "text": _saved(np.array([[["a", "b"], ["c", "d"]]])),
    "objects": _saved(np.array([[[None, 1], [2, 3]]], dtype=object)),
    "dates": _saved(np.zeros((1, 2, 2), dtype="datetime64[D]")),
    "records": _saved(np.zeros((1, 2, 2), dtype=[("a", "f4")])),
    "booleans": _saved(_SL2 != 0),
    "complex": _saved(_SL2 * 1j),
    "half": _saved(_SL2.astype(np.float16)),
    "long-double": _saved(_SL2.astype(np.longdouble)),
    "unsigned": _saved(np.ones((2, 2, 2), dtype=np.uint64) * (2**64 - 1)),
    "not-closed": _saved(_SL2[:2]),
    "noise": _saved(lambda: np.random.default_rng(0).standard_normal((3, 3, 3))),
    "many-dependent": _saved(np.concatenate([_SL2] * 20)),
    "empty": _bytes(b""),
    "header-only": _bytes(b"\x93NUMPY\x01\x00"),
    "false-size": _bytes(
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, "
        b"'shape': (99999999999, 9, 9), }".ljust(128)
        + b"\n"
    ),
    "pickle": lambda path: path.write_bytes(pickle.dumps([1])) and None,
    "archive": _archive,
    "prose": _bytes(b"not an array"),
}

_STATE = {
    "0.weight": torch.randn(4, 3), "0.bias": torch.randn(4),
    "2.weight": torch.randn(2, 4), "2.bias": torch.randn(2),
}  # fmt: skip


def _state(change: Callable[[torch.Tensor], Any]) -> Make:
    return lambda path: torch.save({k: change(v) for k, v in _STATE.items()}, path)


def _object(value: Any) -> Make:
    return lambda path: torch.save(value, path)


WEIGHTS: dict[str, Make] = {
    "good.pt": _state(lambda v: v),
    "integers.pt": _state(lambda v: (10 * v).long()),
    "booleans.pt": _state(lambda v: v > 0),
    "complex.pt": _state(lambda v: v.to(torch.complex64)),
    "sparse.pt": _state(lambda v: v.to_sparse()),
    "csr.pt": _state(lambda v: v.to_sparse_csr() if v.ndim == 2 else v),
    "quantised.pt": _state(lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8)),
    "meta.pt": _state(lambda v: v.to("meta")),
    "half.pt": _state(lambda v: v.half()),
    "eighths.pt": _state(lambda v: v.to(torch.float8_e4m3fn)),
    "nan.pt": _state(lambda v: v * float("nan")),
    "inf.pt": _state(lambda v: v * float("inf")),
    "zeros.pt": _state(lambda v: v * 0),
    "nested.pt": _state(lambda v: torch.nested.nested_tensor([v])),
    "strided.pt": _state(lambda v: v.T.contiguous().T if v.ndim == 2 else v),
    "parameters.pt": _state(torch.nn.Parameter),
    "numbers.pt": _state(lambda v: v.tolist()),
    "other-shapes.pt": _state(lambda v: v[:1]),
    "other-names.pt": _object({"x": torch.ones(1)}),
    "integer-keys.pt": _object({0: torch.ones(1)}),
    "no-tensors.pt": _object({"a": 1}),
    "empty.pt": _object({}),
    "list.pt": _object([1, 2]),
    "tensor.pt": _object(torch.ones(3)),
    "circle.pt": lambda path: _circle(path),
    "module.pt": lambda path: torch.save(torch.nn.Linear(2, 2), path),
    "text.pt": _bytes(b"hello"),
    "nothing.pt": _bytes(b""),
    "zip.pt": _bytes(b"PK\x05\x06" + b"\x00" * 18),
    "text.safetensors": _bytes(b"hello"),
    "false.safetensors": _bytes((2**62).to_bytes(8, "little") + b"{}"),
    "folder.pt": lambda path: path.mkdir(),
    "loop.pt": lambda path: path.symlink_to(path.name),
}


def _circle(path: Path) -> None:
    content: dict[str, Any] = {}
    content["state_dict"] = content
    torch.save(content, path)
