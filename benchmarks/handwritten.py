"""Mappings and specs that installed packages were written with, read where they are installed."""

import copy
import importlib
import importlib.resources
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

Entry = tuple[str, Any]  # what it is called, and what `symfind check` reads


@dataclass(frozen=True)
class Source:
    """A package, and how to read what it says of a model.

    Attributes:
        package: name on the package index.
        module: that has to be importable.
        read: gives entries for a model and its inputs.
        pictures: whether it is meant for networks of pictures (True), language models (False).
        only: language models that it reads within a minute; all where there are none.
    """

    package: str
    module: str
    read: Callable[[nn.Module, tuple, dict], Iterator[Entry]]
    pictures: tuple[bool, ...] = (False,)
    only: tuple[str, ...] = ()

    def missing(self) -> str:
        """Why it cannot be read, empty where it can."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(self.module)
        except Exception as error:  # any package may fail in its own way
            return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return ""


def _label(name: str, model: nn.Module, registries: tuple[dict, ...]) -> str:
    """Whether a mapping was written for a model, or is what is taken for all others."""
    return name if any(type(model).__name__ in r for r in registries) else f"{name} (default)"


def _awq(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    from llmcompressor.modifiers.transform.awq import dynamic_mappings, mappings

    registries = (dynamic_mappings.AWQ_DYNAMIC_MAPPING_REGISTRY, mappings.AWQ_MAPPING_REGISTRY)
    label = _label("AWQ", model, registries)
    for e in dynamic_mappings.get_layer_mappings_from_model(model):
        yield label, {"smooth_layer": e.smooth_layer, "balance_layers": list(e.balance_layers)}


def _smoothquant(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    from llmcompressor.modifiers.transform.smoothquant import dynamic_mappings, utils

    registries = (dynamic_mappings.SMOOTHQUANT_DYNAMIC_MAPPING_REGISTRY, utils.MAPPINGS_REGISTRY)
    label = _label("SmoothQuant", model, registries)
    for e in dynamic_mappings.get_layer_mappings_from_model(model):
        yield label, [list(e.balance_layers), e.smooth_layers]


def _spinquant(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    from llmcompressor.modifiers.transform.spinquant import mappings, norm_mappings

    label = _label("SpinQuant", model, (mappings.SPINQUANT_MAPPING_REGISTRY,))
    yield label, mappings.infer_mapping_from_model(model).model_dump()
    for e in norm_mappings.infer_norm_mapping_from_model(model):
        yield f"{label} norms", e.model_dump()


def _silenced() -> None:
    from loguru import logger

    logger.remove()


def _compressor(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    _silenced()
    for read in (_awq, _smoothquant, _spinquant):
        yield from read(model, args, kwargs)


def _autoawq(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    """What it says of the first layer; it names modules by attribute."""
    from awq.models.auto import AWQ_CAUSAL_LM_MODEL_MAP

    known = AWQ_CAUSAL_LM_MODEL_MAP.get(model.config.model_type)
    if known is None:
        return
    names = {id(m): n for n, m in model.named_modules()}
    layer = known.get_model_layers(model)[0]
    for e in known.get_layers_for_scaling(layer, defaultdict(lambda: None), {}):
        smooth, readers = names.get(id(e["prev_op"])), [names[id(m)] for m in e["layers"]]
        yield "AutoAWQ", {"smooth_layer": smooth, "balance_layers": readers}


def _mergekit(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    folder = importlib.resources.files("mergekit._data.architectures")
    for file in folder.iterdir():
        if file.name.endswith(".json"):
            content = json.loads(file.read_text())
            if type(model).__name__ in content.get("architectures", ()):
                yield file.name, content


def _pruning(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    """Groups of sides of modules, with the channels of each that belong to one of the first."""
    import torch_pruning as tp

    given = kwargs or args
    graph = tp.DependencyGraph().build_dependency(
        model, example_inputs=given, output_transform=lambda out: getattr(out, "logits", out)
    )
    for group in graph.get_all_groups():
        root = group[0].dep
        name = graph._module2name.get(root.target.module, "")
        sides = [one for dep, _ in group.items if (one := _side(graph, dep))]
        if not any(side == "in" for _, side in sides):
            continue  # classes and tokens, which its user excludes
        whole = list(range(graph.get_out_channels(root.target.module)))
        moved: list[dict[tuple[str, str], list[int]]] = [{} for _ in whole]
        for item in graph.get_pruning_group(root.target.module, root.handler, whole).items:
            side = _side(graph, item.dep)
            for i, k in zip(item.idxs, item.root_idxs, strict=True):
                if side:
                    moved[k].setdefault(side, []).append(int(i))
        yield f"group of {name}", {"GROUPS": {name: sides}, "channels": moved}


def _side(graph: Any, dep: Any) -> tuple[str, str] | None:
    """A module and its side; None for operations without weights."""
    target = dep.target.module
    name = graph._module2name.get(target) or graph._param_to_name.get(target)
    if not name or (isinstance(target, nn.Module) and not list(target.parameters())):
        return None
    side = "out" if graph.is_out_channel_pruning_fn(dep.handler) else "in"
    return name, side


def _rebasin(model: nn.Module, args: tuple, kwargs: dict) -> Iterator[Entry]:
    from rebasin.permutation_initializer import PermutationInitializer

    given = kwargs or (args[0] if len(args) == 1 else args)
    graph = PermutationInitializer(copy.deepcopy(model), model, given).model_graph
    graph.enforce_identity()
    names = {id(t): n for n, t in model.state_dict(keep_vars=True).items()}
    for number, (_, infos) in enumerate(graph.permutation_to_info):
        axes = {(names[id(i.parameter_b)], i.axis) for i in infos if id(i.parameter_b) in names}
        yield f"permutation {number}", {"perm_to_axes": {f"permutation {number}": sorted(axes)}}


SOURCES = (
    Source("llmcompressor", "llmcompressor.modifiers.transform.awq.mappings", _compressor),
    Source("autoawq", "awq.models.auto", _autoawq),
    Source("mergekit", "mergekit._data.architectures", _mergekit),
    Source("torch-pruning", "torch_pruning", _pruning, (True, False), ("OPT", "Bloom", "GPTNeoX")),
    Source("rebasin", "rebasin.permutation_initializer", _rebasin, (True,)),
)
