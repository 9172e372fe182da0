"""Expressions in named tensors as data: a list of torch calls that can be stored and run again.

What depends on the weights in a way that no index range can say (the bias that takes back a shift
through a matrix, the basis of what a bond reaches) is recorded as the calls that compute it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from symfind.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# Calls that a stored expression may make: functions of tensors without any other effect.
_TORCH = frozenset(
    "abs add arange argsort as_tensor broadcast_to broadcast_tensors cat cumsum cos diag div dot"
    " einsum exp expm1 eye flip full full_like gather index_copy index_put index_select kron log"
    " log1p logsumexp matmul matrix_exp maximum mean meshgrid minimum movedim mul neg ones"
    " ones_like outer permute pow prod rand randn reciprocal reshape roll rsqrt scalar_tensor"
    " sigmoid sin softmax sqrt square squeeze stack sub sum tanh tensor tensordot tensor_split"
    " transpose tril tril_indices triu triu_indices unsqueeze var where zeros zeros_like"
    " functional.einsum linalg.inv linalg.matrix_exp linalg.norm linalg.pinv linalg.qr"
    " linalg.slogdet linalg.solve linalg.svd linalg.vector_norm linalg.matrix_norm functional.norm"
    " norm"
    " functional.broadcast_tensors functional.meshgrid functional.tensordot"
    " nn.functional.pad nn.functional.softmax nn.functional.softplus nn.functional.elu"
    " bmm mm block_diag functional.block_diag repeat_interleave clamp select narrow sign".split()
)
_METHODS = frozenset(
    "abs add all amax amin any argsort broadcast_to chunk clamp clone contiguous cos cumsum detach"
    " diag diag_embed diagonal div double exp expand expand_as expm1 flatten flip float gather"
    " index_copy index_put index_select index_add log log1p logsumexp masked_fill masked_select"
    " matmul max mean min mm movedim mul narrow neg new_empty new_full new_ones new_tensor"
    " new_zeros nonzero norm permute pow prod reciprocal repeat repeat_interleave reshape roll"
    " rsqrt select sigmoid sign sin softmax split sqrt square squeeze std sub sum swapaxes t tanh"
    " tensor_split tile to transpose tril triu type_as unbind unflatten unsqueeze var view view_as"
    " where __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __neg__"
    " __pow__ __rpow__ __matmul__ __rmatmul__ __getitem__ __setitem__ __invert__ __and__ __or__"
    " __eq__ __ne__ __lt__ __gt__ __le__ __ge__ __rdiv__ __div__ eq ne lt gt le ge mul_ add_ div_"
    " T.__get__ mT.__get__ H.__get__ real.__get__ imag.__get__ data.__get__ rsub".split()
)
_NEVER = ("file", "save", "load")  # of the operators of ATen


class Unrecordable(Exception):
    """Something that is not a function of the named tensors alone; the message says what."""


@dataclass(frozen=True)
class Program:
    """Torch calls in order.

    Attributes:
        reads: names of the tensors of a checkpoint that are read.
        steps: `[function, arguments, keywords]`; `{"%": k}` is the result of step k, `{"in": k}`
            the tensor that `reads` names at k, `{"given": "c"}` what is given beside them.
        results: by name, what the calls compute.
    """

    reads: tuple[str, ...]
    steps: tuple[Any, ...]
    results: dict[str, Any]

    def run(
        self, weights: Mapping[str, "Tensor"], given: Mapping[str, "Tensor"] = {}
    ) -> dict[str, "Tensor"]:
        """The results at given weights.

        Raises:
            InputError: a tensor is missing, or a call is none that may be made.
        """
        from symfind.action.replay import replay

        return replay(self, weights, given)

    def renamed(self, names: Mapping[str, str]) -> "Program":
        """The same with other names of tensors."""
        results = {names.get(name, name): value for name, value in self.results.items()}
        return Program(tuple(names.get(n, n) for n in self.reads), self.steps, results)


@cache
def function(name: str) -> Any:
    """The function of a stored call.

    Raises:
        InputError: it is not one of those that may be called.
    """
    import torch

    if name.startswith("aten."):
        _, operator, overload = name.split(".")
        if not any(word in operator for word in _NEVER):
            found = getattr(getattr(torch.ops.aten, operator, None), overload, None)
            if found is not None:
                return found
    for prefix, home, allowed in (("Tensor.", torch.Tensor, _METHODS), ("", torch, _TORCH)):
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and rest in allowed:
            found = home
            for part in rest.split("."):
                found = getattr(found, part)
            return found
    raise InputError(f"a stored expression calls {name}, which is no function of tensors known")
