"""Handmade reports: one large and complete, one small and troubled, one empty."""

from symfind.report import (
    Certificate,
    Dimension,
    Discrete,
    DiscretePlace,
    Factor,
    GeneratorText,
    ModelInfo,
    Place,
    Report,
    Residual,
    Timing,
    Unsupported,
    Verification,
    Versions,
)

_HIDDEN = Discrete(
    "transformer.h.0.mlp.c_fc:permutation",
    "S_3072^12",
    12,
    tuple(f"transformer.h.{k}.mlp.c_fc.weight" for k in range(12)),
    "new[i] = old[p(i)] along every axis on which it acts",
    "permutation",
    "(3072!)^12",
    112576.178,
    "transformer.h.*.mlp.c_fc",
    tuple(
        DiscretePlace(
            f"transformer.h.{k}.mlp.c_fc:permutation",
            {f"transformer.h.{k}.mlp.c_fc.weight": (1,)},
        )
        for k in range(12)
    ),
    2.1e-15,
)
_SIGN = Discrete("transformer.wte:sign", "Z/2", 1, ("transformer.wte.weight",), "changes of sign",
                 "sign", "2", 0.301)  # fmt: skip


def complete() -> Report:
    """GPT-2 small with its attention bonds and its key biases only; 12 layers of 12 heads."""
    query_key = tuple(
        Place(
            id=f"transformer.h.{i}.attn:query-key",
            parameters=(
                f"transformer.h.{i}.attn.c_attn.weight",
                f"transformer.h.{i}.attn.c_attn.bias",
            ),
            axes="columns 0:768 (query), 768:1536 (key), by head",
            dimension=4096,
            sites=12,
        )
        for i in range(12)
    )
    key_bias = tuple(
        Place(
            f"transformer.h.{i}.attn:key-bias", (f"transformer.h.{i}.attn.c_attn.bias",), "", 64, 12
        )
        for i in range(12)
    )
    gauge = Factor(
        id="transformer.h.0.attn:query-key",
        kind="gauge",
        group="GL(64, R)",
        algebra="gl(64)",
        sites=144,
        dimension=4096,
        total=589824,
        formula="n_layer*n_head*d_head**2",
        parameters=tuple(name for place in query_key for name in place.parameters),
        generator=GeneratorText(
            "W_Q -> A W_Q, W_K -> -A^T W_K", r"\delta W_Q = A W_Q,\quad \delta W_K = -A^\top W_K"
        ),
        source="Henry, Marchetti, Kohn 2024",
        residual=Residual(3e-16, 0.8, 5e-15),
        module="transformer.h.*.attn",
        places=query_key,
    )
    shift = Factor(
        id="transformer.h.0.attn:key-bias",
        kind="shift",
        group="R^64",
        algebra="R^64",
        sites=144,
        dimension=64,
        total=9216,
        formula="n_layer*n_head*d_head",
        parameters=tuple(name for place in key_bias for name in place.parameters),
        generator=GeneratorText("b_K -> b_K + a", r"\delta b_K = a"),
        residual=Residual(1e-16, 0.7, 2e-15),
        module="transformer.h.*.attn",
        places=key_bias,
    )
    tensors = {}
    for i in range(12):
        tensors[f"transformer.h.{i}.attn.c_attn.weight"] = 768 * 2304
        tensors[f"transformer.h.{i}.attn.c_attn.bias"] = 2304
    tensors["transformer.wte.weight"] = 50257 * 768
    return Report(
        model=ModelInfo(
            "GPT2LMHeadModel",
            "transformers:GPT2LMHeadModel",
            {"input_ids": "i64[1,1024]"},
            "eval",
            tensors,
        ),
        output="raw",
        dimension=Dimension.of(
            sum(tensors.values()),
            599040,
            599040,
            formula="n_layer*n_head*(d_head**2 + d_head)",
            sizes={"n_layer": 12, "n_head": 12, "d_head": 64, "n_embd": 768},
        ),
        factors=(shift, gauge),
        approximate=(),
        discrete=(_HIDDEN, _SIGN),
        unsupported=(),
        certificate=Certificate(
            "complete", "jacobian", "twin", 397, 117, 117, 0, (-4.2, -15.4), (117, 117)
        ),
        verification=Verification("verified", "cpu", "float64", 5e-15),
        timing=Timing(1.2, 2.9, 0.2, 0.9, 3.0),
        versions=Versions("0.1.0", "2.13.0"),
    )


def troubled() -> Report:
    """Everything that can go wrong at once, with brackets and bars to trip over."""
    bond = Factor(
        id="net[0].a_rather_long_module_name.that_must_fold.somewhere:bond",
        kind="gauge",
        group="GL(2, R)",
        algebra="gl(2)",
        sites=2,
        dimension=4,
        total=8,
        formula="2*r**2",
        parameters=("net[0].weight", "net[1].weight"),
        generator=GeneratorText("W1 -> A W1, W2 -> -W2 A", r"\delta W_1 = A W_1"),
    )
    scale = Factor(
        id="norm:scale",
        kind="scaling",
        group="R_+",
        algebra="R",
        sites=1,
        dimension=1,
        total=1,
        formula="1",
        parameters=("net[0].weight",),
        generator=GeneratorText("W -> t W", r"\delta W = W"),
        residual=Residual(2e-4, 0.9, 3e-4),
    )
    wrong = Factor(
        id="net[0]:[bold]wrong|pipe",
        kind="shift",
        group="R^3",
        algebra="R^3",
        sites=1,
        dimension=3,
        total=3,
        formula="",
        parameters=("net[0].bias",),
        generator=GeneratorText("b -> b + a"),
        residual=Residual(0.5, 0.9, 0.4),
    )
    unread = Factor(
        id="table:unread",
        kind="inert",
        group="R^5",
        algebra="R^5",
        sites=1,
        dimension=5,
        total=5,
        formula="5",
        parameters=("table.weight",),
        generator=GeneratorText("any change"),
    )
    return Report(
        model=ModelInfo("Residual", "model.py:build", {"x": "f32[8,4]", "y": "f32[8,4]"}, "train"),
        output="softmax",
        dimension=Dimension.of(37, 8, 7, 5, "2*r**2 - 1 + 5", {"r": 2, "d": 4}),
        factors=(unread, bond),
        approximate=(scale,),
        discrete=(),
        unsupported=(Unsupported("aten.foo.default", ("foo", "foo_1", "foo_2", "foo_3"), "rigid"),),
        certificate=Certificate(
            "incomplete",
            "jacobian",
            "model",
            37,
            20,
            12,
            8,
            (-3.9, -15.1),
            (20, 20, 21),
            ("net[0].weight",),
        ),
        verification=Verification("failed", "cpu", "float64", 0.5, (wrong,)),
        timing=Timing(load=0.1, solve=0.2),
        versions=Versions("0.1.0", "2.13.0"),
    )


def empty() -> Report:
    """A model without symmetry that nobody checked."""
    return Report(
        model=ModelInfo("Tanh", "tanh.py", {"x": "f32[1,6]"}, "eval"),
        output="raw",
        dimension=Dimension.of(89, 0, 0),
        factors=(),
        approximate=(),
        discrete=(),
        unsupported=(),
        certificate=Certificate("skipped", reason="not asked for"),
        verification=Verification("skipped", reason="not asked for"),
        timing=Timing(),
        versions=Versions("0.1.0", "2.13.0"),
    )


EXAMPLES = {"complete": complete, "troubled": troubled, "empty": empty}
