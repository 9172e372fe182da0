"""What a hand-written entry does to the outputs of a model, without anything that is derived."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

Weights = dict[str, Tensor]


class Measured:
    """A model with its outputs before anything was done."""

    def __init__(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        """Take a model with weights that are nowhere zero or one."""
        self.model, self.args, self.kwargs = model, args, kwargs
        state = model.state_dict(keep_vars=True)
        # tied tensors are one entry, under their first name
        first = {id(t): n for n, t in reversed(state.items())}
        self.names = {n: first[id(t)] for n, t in state.items()}
        self.weights = {n: state[n].detach().clone() for n in dict.fromkeys(self.names.values())}
        self.before = self.outputs(self.weights)

    def outputs(self, weights: Mapping[str, Tensor], tied: bool = True) -> Tensor:
        """All floating point outputs in a row."""
        with torch.no_grad():
            result = functional_call(
                self.model, dict(weights), self.args, self.kwargs, tie_weights=tied
            )
        return _flat(result)

    def change(self, weights: Mapping[str, Tensor], tied: bool = True) -> float:
        """How far other weights move the outputs, relative to their size."""
        after = self.outputs(weights, tied)
        return float((after - self.before).norm() / self.before.norm())

    def named(self, module: str, *ends: str) -> str:
        """The tensor of a module, or one that has this name itself."""
        for name in (f"{module}{end}" for end in ends or (".weight", "")):
            if name in self.names:
                return self.names[name]
        return ""

    # scales ------------------------------------------------------------------------------
    def smoothed(self, pairs: Sequence[tuple[str, Sequence[str]]], heads: int) -> float:
        """Channels of every writer divided by random scales, and multiplied in its readers.

        A gain is taken for itself or as 1 + gain, whichever changes less. Of a writer with more
        rows than its readers have columns the last are meant; with fewer, heads share them.

        Args:
            pairs: modules that write, each with those that read.
            heads: size of an attention head.
        """
        return min(self.change(self._smooth(pairs, heads, one)) for one in (0.0, 1.0))

    def _smooth(
        self, pairs: Sequence[tuple[str, Sequence[str]]], heads: int, one: float
    ) -> Weights:
        weights, rng = dict(self.weights), torch.Generator().manual_seed(0)
        for writer, readers in pairs:
            tensors = [self.named(r) for r in readers]
            width = weights[tensors[0]].shape[-1]
            scale = (0.5 * torch.randn(width, generator=rng)).exp()
            key = self.named(writer)
            rows = weights[key].shape[0 if weights[key].ndim < 3 else -2]
            if rows < width:  # one key head for several query heads
                few = scale[:rows].reshape(-1, 1, min(heads, rows))
                scale = few.expand(-1, width // rows, -1).reshape(-1)
                inner = few.reshape(-1)
            else:
                inner = scale
            weights[key] = _divided(weights[key], inner, one)
            bias = self.named(writer, ".bias")
            if bias:
                weights[bias] = _divided(weights[bias], inner, 0.0)
            for name in tensors:
                weights[name] = weights[name] * scale
        return weights

    # permutations ------------------------------------------------------------------------
    def permuted(self, axes: Sequence[tuple[str, int]]) -> float:
        """Whole axes of tensors, all permuted alike."""
        weights, rng = dict(self.weights), torch.Generator().manual_seed(0)
        sizes = {weights[self.names[name]].shape[axis] for name, axis in axes}
        if len(sizes) > 1:
            return float("nan")
        order = torch.randperm(sizes.pop(), generator=rng)
        for name, axis in dict.fromkeys((self.names[n], a) for n, a in axes):
            weights[name] = weights[name].index_select(axis, order)
        return self.change(weights)

    def regrouped(self, channels: Sequence[Mapping[tuple[str, str], list[int]]]) -> float:
        """Groups of channels of modules, one group in the place of another."""
        weights, rng = dict(self.weights), torch.Generator().manual_seed(0)
        order = torch.randperm(len(channels), generator=rng).tolist()
        done = set()
        for module, side in channels[0]:
            own = [c.get((module, side), []) for c in channels]
            if len({len(i) for i in own}) != 1:
                return float("nan")  # groups overlap: no exchange of them is meant
            into = [i for group in own for i in group]
            source = [i for k in order for i in own[k]]
            kind = self.model.get_submodule(module) if f"{module}.weight" in self.names else None
            for name, axis in self._sided(module, side, kind):
                if (name, axis) not in done:
                    done.add((name, axis))
                    index = torch.arange(weights[name].shape[axis])
                    if max(into) >= len(index):
                        return float("nan")  # channels that are not there
                    index[torch.tensor(into)] = torch.tensor(source)
                    weights[name] = weights[name].index_select(axis, index)
        return self.change(weights)

    # architectures -----------------------------------------------------------------------
    def carried(self, named: Collection[str]) -> float:
        """Named tensors of another checkpoint in the place of these: how far that is from it."""
        rng = torch.Generator().manual_seed(0)
        other = {n: w + 0.1 * torch.randn(w.shape, generator=rng) for n, w in self.weights.items()}
        keys = {self.names[n] for n in named}
        moved = {n: other[n] if n in keys else w for n, w in self.weights.items()}
        wanted = self.outputs(other)
        return float((self.outputs(moved) - wanted).norm() / wanted.norm())

    def parted(self, one: str, two: str, same: bool) -> float:
        """A checkpoint with a tensor for each of two names, in a model that reads the first.

        Args:
            one: a name.
            two: another.
            same: whether both are known to be one, so that the checkpoint holds it twice.
        """
        rng = torch.Generator().manual_seed(0)
        weight = self.weights[self.names[one]]
        drawn = weight if same else weight + 0.1 * torch.randn(weight.shape, generator=rng)
        whole = {n: self.weights[k] for n, k in self.names.items()}
        wanted = self.outputs({**whole, two: drawn}, tied=False)
        return float((self.before - wanted).norm() / wanted.norm())

    def _sided(self, module: str, side: str, kind: Any) -> list[tuple[str, int]]:
        name = self.named(module)
        if weights_first(kind):
            return [(name, 1 if side == "out" else 0)]
        if side == "in":
            return [(name, 1)]
        rest = [self.named(module, end) for end in (".bias", ".running_mean", ".running_var")]
        return [(n, 0) for n in (name, *rest) if n]


def weights_first(kind: Any) -> bool:
    """Whether a module has its inputs along the first axis."""
    return isinstance(kind, (nn.Embedding, nn.ConvTranspose2d, nn.ConvTranspose1d))


def _divided(tensor: Tensor, scale: Tensor, one: float) -> Tensor:
    """The last entries along the channels, of 1 + gain where that is meant."""
    if tensor.ndim == 1:
        return torch.cat([tensor[: -len(scale)], (tensor[-len(scale) :] + one) / scale - one])
    result = tensor.clone()
    result[..., -len(scale) :, :] /= scale[:, None]
    return result


def _flat(result: Any) -> Tensor:
    if isinstance(result, Tensor):
        return result.reshape(-1)
    if hasattr(result, "logits"):
        return result.logits.reshape(-1)
    if hasattr(result, "last_hidden_state"):
        return result.last_hidden_state.reshape(-1)
    values = result.values() if isinstance(result, dict) else result
    return torch.cat([_flat(v) for v in values if v is not None])


def rotated(
    measured: Measured, writes: Sequence[str], reads: Sequence[str],
    norms: Sequence[tuple[str, Sequence[str]]], tied: bool,
) -> float:  # fmt: skip
    """A random rotation of what is written and read, after gains were moved into readers.

    Args:
        measured: the model.
        writes: modules that write the stream.
        reads: modules that read it.
        norms: gains, each with the modules that read behind it.
        tied: whether tensors with two names are one.
    """
    changes = []
    for one in (0.0, 1.0):  # gains are taken for themselves, or as 1 + gain
        weights = {n: measured.weights[k].clone() for n, k in measured.names.items()}
        names = {n: measured.names[n] if tied else n for n in measured.names}
        for norm, readers in norms:
            gain = weights[f"{norm}.weight"].clone()
            for name in dict.fromkeys(_key(names, r) for r in readers):
                weights[name] = weights[name] * (gain + one)
            weights[f"{norm}.weight"] = torch.full_like(gain, 1.0 - one)
        first = weights[f"{writes[0]}.weight"]
        rng = torch.Generator().manual_seed(0)
        size = first.shape[1] if weights_first(measured.model.get_submodule(writes[0])) else (
            first.shape[0])  # fmt: skip
        turn = torch.linalg.qr(torch.randn(size, size, generator=rng, dtype=first.dtype))[0]
        for module in writes:
            name = _key(names, module)
            table = f"{module}.weight" in names and weights_first(
                measured.model.get_submodule(module)
            )
            weights[name] = weights[name] @ turn.T if table else turn @ weights[name]
            if f"{module}.bias" in weights:
                weights[f"{module}.bias"] = turn @ weights[f"{module}.bias"]
        for name in dict.fromkeys(_key(names, m) for m in reads):
            weights[name] = weights[name] @ turn.T
        chosen = {n: w for n, w in weights.items() if not tied or measured.names[n] == n}
        changes.append(measured.change(chosen, tied))
    return min(changes)


def _key(names: Mapping[str, str], module: str) -> str:
    """The tensor of a module, or one that has this name itself."""
    return names.get(f"{module}.weight") or names[module]
