"""From an exported ATen graph to a Graph of operations."""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from symfind.errors import TraceError
from symfind.trace.blame import describe, location
from symfind.trace.exported import Exported, Shaped, Source
from symfind.trace.graph import Graph, Op, walk
from symfind.trace.simplify import simplify


def build(model: nn.Module, exported: Exported, recovered: dict[str, Tensor]) -> Graph:
    """The graph of ``exported``, with the parameters and buffers of ``model`` at its leaves.

    ``recovered`` has values of buffers that lie on meta.
    """
    return _Builder(model, recovered).build(exported)


class _Builder:
    def __init__(self, model: nn.Module, recovered: dict[str, Tensor]) -> None:
        self.model = model
        self.ops: list[Op] = []
        self.names: set[str] = set()
        self.inputs: list[Op] = []
        self.canonical: dict[int, str] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self.canonical.setdefault(id(parameter), name)
        self.tensors: dict[str, Tensor] = {
            **dict(model.named_buffers(remove_duplicate=False)),
            **dict(model.named_parameters(remove_duplicate=False)),
        }
        self.leaves: dict[str, Op] = {}
        self.recovered = recovered
        self.known: dict[Any, Op] = {}

    def build(self, exported: Exported) -> Graph:
        results = self.block(exported.graph, [self.leaf(s) for s in exported.sources])
        outputs = []
        for name, index in zip(exported.outputs, exported.results, strict=True):
            source = results[index]
            assert isinstance(source, Op)
            outputs.append(
                self.add(
                    Op(
                        name=self.unique("output"),
                        target="output",
                        args=(source,),
                        shape=source.shape,
                        dtype=source.dtype,
                        key=name,
                    )
                )
            )
        graph = self.finish(outputs)
        graph.notes = exported.notes
        return graph

    def leaf(self, source: Source) -> Op | None:
        if source.kind == "skip":
            return None
        if source.kind == "input":
            op = Op(name=self.unique(source.name), target="input", key=source.name, varies=True,
                    data=source.data)  # fmt: skip
            self.inputs.append(op)
            return self.add(op)
        tensor = self.tensors.get(source.name)
        key = self.canonical.get(id(tensor), source.name)
        if key in self.leaves:
            return self.leaves[key]
        data = tensor if tensor is not None else self.held(source)
        parameter = id(tensor) in self.canonical
        if data is not None and data.device.type == "meta":
            data = self.recovered.get(key, data)
        op = Op(
            name=self.unique(key),
            target="parameter" if parameter else "constant",
            key=key,
            data=data,
            shape=tuple(data.shape) if data is not None else None,
            dtype=data.dtype if data is not None else None,
            trainable=parameter and tensor is not None and tensor.requires_grad,
            stored=not parameter and _stored(self.model, key),
        )
        self.leaves[key] = op
        return self.add(op)

    def held(self, source: Source) -> Tensor | None:
        """A tensor that the model keeps as a plain attribute, or that forward made on the spot."""
        try:
            value = operator.attrgetter(source.name)(self.model)
        except AttributeError:
            value = source.data
        return value if isinstance(value, Tensor) and not _fake(value) else None

    def block(self, graph: fx.Graph, leaves: list[Any]) -> list[Any]:
        """Convert one graph; higher-order operators call this again for what they wrap."""
        env: dict[fx.Node, Any] = {}
        waiting = iter(leaves)

        def read(node: fx.Node) -> Any:
            return env[node]

        for node in graph.nodes:
            if node.op == "placeholder":
                env[node] = leaf = next(waiting)
                if isinstance(leaf, Op) and leaf.shape is None and not leaf.outputs:
                    leaf.shape, leaf.dtype = _meta(node.meta.get("val"))
            elif node.op == "get_attr":
                env[node] = self.attribute(graph.owning_module, node)
            elif node.op == "output":
                return list(fx.node.map_arg(node.args[0], read))
            elif node.op == "call_function":
                args = tuple(_plain(fx.node.map_arg(a, read)) for a in node.args)
                kwargs = {k: _plain(fx.node.map_arg(a, read)) for k, a in node.kwargs.items()}
                env[node] = self.call(node, args, kwargs)
            else:
                raise TraceError(f"unexpected {node.op} {node.target} in the exported graph")
        return []

    def attribute(self, module: Any, node: fx.Node) -> Any:
        value = operator.attrgetter(str(node.target))(module)
        if not isinstance(value, Tensor):
            return value
        op = Op(
            name=self.unique(str(node.target)),
            target="constant",
            key=str(node.target),
            data=None if _fake(value) else value,
            shape=tuple(value.shape),
            dtype=value.dtype,
        )
        return self.add(op)

    def call(self, node: fx.Node, args: tuple, kwargs: dict[str, Any]) -> Any:
        target = node.target
        if target is operator.getitem and not isinstance(args[0], Op):
            return args[0][args[1]]
        wrapped = [i for i, a in enumerate(args) if isinstance(a, fx.GraphModule)]
        if wrapped and str(target).startswith(("wrap_", "hop_", "invoke_")):
            return self.block(args[wrapped[0]].graph, list(args[wrapped[0] + 1 :]))
        if (
            not any(walk((args, kwargs)))
            and not isinstance(target, torch._ops.OpOverload)
            and callable(target)
        ):
            return target(*args, **kwargs)  # arithmetic on sizes
        value = node.meta.get("val")
        several = value if isinstance(value, (tuple, list)) and type(value) is not Shaped else ()
        shape, dtype = (None, None) if several else _meta(value)
        op = Op(
            name=node.name,
            target=_spelling(target),
            args=args,
            kwargs=kwargs,
            shape=shape,
            dtype=dtype,
            outputs=[_meta(v) for v in several],
            where=_where(node),
            module=_module(node),
        )
        result = simplify(op, target)
        if result is not op:
            return result
        # What is computed twice from the same wires is one wire: relations on it are shared.
        key = None if _random(target) else _key((op.target, op.args, op.kwargs, shape, dtype))
        if key is not None and key in self.known:
            return self.known[key]
        op.name = self.unique(node.name)
        if key is not None:
            self.known[key] = op
        return self.add(op)

    def unique(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self.names:
            candidate, count = f"{name}_{count}", count + 1
        return candidate

    def add(self, op: Op) -> Op:
        self.names.add(op.name)
        if op.target not in ("input", "parameter", "constant"):
            operands = op.operands
            op.varies = any(o.varies for o in operands)
            op.trainable = any(o.trainable for o in operands)
        self.ops.append(op)
        return op

    def finish(self, outputs: list[Op]) -> Graph:
        needed = set(outputs) | set(self.inputs)
        for op in reversed(self.ops):
            if op in needed:
                needed.update(op.operands)
        ops = [op for op in self.ops if op in needed]
        for op in ops:
            for operand in dict.fromkeys(op.operands):
                operand.users.append(op)
        parameters: dict[str, Op] = {}
        unread: list[str] = []
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            op = self.leaves.get(name) or Op(
                name=self.unique(name),
                target="parameter",
                key=name,
                data=parameter,
                shape=tuple(parameter.shape),
                dtype=parameter.dtype,
                trainable=True,
            )
            parameters[name] = op
            if op not in needed:
                unread.append(name)
        return Graph(ops, self.inputs, parameters, outputs, unread)


def _random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())


def _key(tree: Any) -> Any:
    """A hashable spelling of arguments, with operations by identity; None where there is none."""
    if isinstance(tree, Op):
        return "op", id(tree)
    if isinstance(tree, (tuple, list)):
        parts = tuple(_key(item) for item in tree)
        return None if None in parts else ("list", *parts)
    if isinstance(tree, dict):
        return _key([[k, v] for k, v in sorted(tree.items())])
    if tree is None or isinstance(tree, (bool, int, float, complex, str)):
        return type(tree).__name__, tree
    if isinstance(tree, (torch.dtype, torch.layout, torch.device, torch.memory_format)):
        return str(tree)
    return None


def _fake(value: Tensor) -> bool:
    """Whether this is a tensor of the exporter, which has a device and a shape, and no values."""
    return type(value).__name__ == "FakeTensor"


def _where(node: fx.Node) -> str:
    if "where" in node.meta:
        place = node.meta["where"]
        return describe(*place) if place else ""
    return location(node.meta.get("stack_trace") or "")


def _meta(value: Any) -> tuple[tuple[int, ...] | None, torch.dtype | None]:
    if type(value) is Shaped:
        return value
    if isinstance(value, Tensor):
        return tuple(int(n) for n in value.shape), value.dtype
    return None, None


def _plain(tree: Any) -> Any:
    """Python's own lists and tuples in the place of those of torch.fx."""
    if isinstance(tree, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return tree.node.maybe_as_int() if isinstance(tree, torch.SymInt) else tree
    if isinstance(tree, list):
        return [_plain(item) for item in tree]
    if isinstance(tree, tuple):
        return tuple(_plain(item) for item in tree)
    if isinstance(tree, dict):
        return {key: _plain(item) for key, item in tree.items()}
    return tree


def _spelling(target: Any) -> str:
    if target is operator.getitem:
        return "getitem"
    return (
        str(target)
        if not callable(target) or hasattr(target, "_schema")
        else getattr(target, "__name__", str(target))
    )


def _module(node: fx.Node) -> str:
    if "module" in node.meta:
        return str(node.meta["module"])
    stack = node.meta.get("nn_module_stack") or {}
    path = next((entry[0] for entry in reversed(stack.values())), "")
    for lead in ("L__self___", "L['self'].", "model"):
        path = path.removeprefix(lead)
    return path.removeprefix(".")


def _stored(model: Any, key: str) -> bool:
    """Whether a name is that of a buffer which checkpoints hold."""
    path, _, name = key.rpartition(".")
    try:
        owner = model.get_submodule(path)
    except AttributeError:
        return False
    return name in owner._buffers and name not in owner._non_persistent_buffers_set
