"""Token inputs of a model whose first argument is looked up in a table."""

import inspect

import torch
from torch import Tensor, nn

_LENGTH = 16  # positions, where the model does not say fewer
_SHORTER = (16, 8, 4)


def token_input(model: nn.Module) -> str | None:
    """An input spec such as `i64<50257>[1,16]`, None where no table reads the first argument.

    The model is run on tokens that are all zero, of fewer positions where more do not fit; what
    reads them is known even where it does not run through.
    """
    names = [
        n for n, p in inspect.signature(model.forward).parameters.items()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    if len(names) != 1 or not tables:
        return None
    last: int | None = None
    for length in _SHORTER:
        rows, passed = _read(model, tables, length)
        if rows is not None and passed:
            return f"i64<{rows}>[1,{length}]"
        last = rows if last is None else last
    return None if last is None else f"i64<{last}>[1,{_LENGTH}]"


def _read(model: nn.Module, tables: list[nn.Embedding], length: int) -> tuple[int | None, bool]:
    """How many rows the table has that reads the tokens, and whether the model ran through."""
    device = next(model.parameters()).device
    tokens = torch.zeros(1, length, dtype=torch.long, device=device)
    rows: list[int] = []

    def note(table: nn.Embedding, args: tuple) -> None:
        if args and isinstance(args[0], Tensor) and args[0] is tokens:
            rows.append(table.num_embeddings)

    hooks = [table.register_forward_pre_hook(note) for table in tables]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(tokens)
        passed = True
    except Exception:  # of any kind: too many positions, or other arguments that are missing
        passed = False
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
    return (min(rows) if rows else None), passed
