"""LaTeX: formulas, and a page for one report.

Formulas are parsed as Python expressions and never evaluated: a report may come from a stranger.
"""

import ast

from symfind.characters import shown, tex
from symfind.report import words
from symfind.report.model import Factor, Report

_GREEK = frozenset({"alpha", "beta", "gamma", "delta", "epsilon", "kappa", "lambda", "mu", "rho"})
_FUNCTIONS = {"min": r"\min", "max": r"\max", "Min": r"\min", "Max": r"\max"}
# Binding strength of what an expression prints as; parentheses go round anything weaker.
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)


def escape(text: str) -> str:
    """Escape plain text for LaTeX."""
    return tex(text)


def formula_latex(formula: str) -> str:
    r"""Turn `n_layer*d_head**2` into `n_{\mathrm{layer}} d_{\mathrm{head}}^{2}`.

    What is not an arithmetic expression comes back as typewriter text.
    """
    try:
        return _expression(ast.parse(formula.strip(), mode="eval").body)[0]
    except (SyntaxError, ValueError, RecursionError):
        return rf"\texttt{{{escape(formula)}}}"


def latex(report: Report, standalone: bool = True) -> str:
    """Write a page for one report; without `standalone` only what goes between `document` tags.

    The page needs the packages amsmath, amssymb, booktabs and longtable.
    """
    report = shown(report)
    body = "\n".join([*_head(report), *_table(report), *_formula(report), *_factors(report)])
    body += "\n" + "\n".join(_findings(report)) + "\n"
    if not standalone:
        return body
    packages = "\n".join(
        rf"\usepackage{{{name}}}" for name in ("amsmath", "amssymb", "booktabs", "longtable")
    )
    preamble = f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n"
    return f"{preamble}{body}\\end{{document}}\n"


def _expression(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return str(value), _ATOM
        case ast.Name(id=name):
            return _symbol(name), _ATOM
        case ast.Attribute():
            return rf"\mathrm{{{escape(ast.unparse(node))}}}", _ATOM
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_at_least(operand, _PRODUCT)}", _SUM
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{_at_least(left, _SUM)} + {_at_least(right, _SUM)}", _SUM
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return f"{_at_least(left, _SUM)} - {_at_least(right, _PRODUCT)}", _SUM
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            times = r" \cdot " if isinstance(right, ast.Constant) else r"\,"
            return f"{_at_least(left, _PRODUCT)}{times}{_at_least(right, _PRODUCT)}", _PRODUCT
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return rf"\frac{{{_at_least(left, _SUM)}}}{{{_at_least(right, _SUM)}}}", _PRODUCT
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            fraction = rf"\frac{{{_at_least(left, _SUM)}}}{{{_at_least(right, _SUM)}}}"
            return rf"\left\lfloor {fraction} \right\rfloor", _ATOM
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{_at_least(left, _ATOM)}^{{{_at_least(right, _SUM)}}}", _POWER
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            inner = ", ".join(_at_least(argument, _SUM) for argument in arguments)
            if name == "floor":
                return rf"\left\lfloor {inner} \right\rfloor", _ATOM
            function = _FUNCTIONS.get(name, rf"\operatorname{{{escape(name)}}}")
            return rf"{function}\left({inner}\right)", _ATOM
    raise ValueError(f"not an arithmetic expression: {ast.dump(node)}")


def _at_least(node: ast.expr, strength: int) -> str:
    text, own = _expression(node)
    return text if own >= strength else rf"\left({text}\right)"


def _symbol(name: str) -> str:
    head, _, tail = name.partition("_")
    base = (
        rf"\{head}" if head in _GREEK else head if len(head) == 1 else rf"\mathrm{{{escape(head)}}}"
    )
    return rf"{base}_{{\mathrm{{{escape(tail)}}}}}" if tail else base


def _head(report: Report) -> list[str]:
    model = report.model
    return [
        rf"\section*{{{escape(model.name)}}}",
        rf"\texttt{{{escape(model.spec)}}}, inputs \texttt{{{escape(words.inputs(report))}}}, "
        rf"mode {model.mode}, output {report.output}.",
        "",
    ]


def _table(report: Report) -> list[str]:
    d = report.dimension
    lines = [r"\begin{longtable}{lp{6cm}lrrr}", r"\toprule"]
    lines += [r"group & where & kind & sites $\times$ dim & total & share \\", r"\midrule"]
    for factor in words.by_size(report.factors):
        cells = (
            escape(factor.group),
            rf"\texttt{{{_breakable(words.where(factor))}}}",
            factor.kind,
            rf"{factor.sites:,} $\times$ {factor.dimension:,}",
            words.count(factor.total),
            escape(words.share(factor.total, d.parameters)),
        )
        lines.append(" & ".join(cells) + r" \\")
    lines.append(r"\midrule")
    for name in ("parameters", "algebra", "symmetry", "inert", "redundant", "effective"):
        value = getattr(d, name)
        portion = escape(words.share(value, d.parameters))
        lines.append(rf"{name} & & & & {value:,} & {portion} \\")
    return [*lines, r"\bottomrule", r"\end{longtable}", ""]


def _formula(report: Report) -> list[str]:
    if not report.dimension.formula:
        return []
    sizes = ", ".join(
        rf"${formula_latex(name)} = {size}$" for name, size in words.used_sizes(report).items()
    )
    where = f"where {sizes}." if sizes else ""
    return [rf"\[ \text{{redundant}} = {formula_latex(report.dimension.formula)} \]", where, ""]


def _factors(report: Report) -> list[str]:
    lines = []
    for factor in words.by_size(report.factors):
        lines.append(rf"\paragraph{{{escape(factor.group)}}} \texttt{{{_breakable(factor.id)}}}")
        lines.append(_generator(factor))
        if factor.formula and not factor.formula.isdigit():
            lines.append(rf"\[ \dim = {formula_latex(factor.formula)} = {factor.total} \]")
    return [*lines, ""]


def _generator(factor: Factor) -> str:
    if factor.generator.latex:
        return rf"\[ {factor.generator.latex} \]"
    return escape(factor.generator.text)


def _findings(report: Report) -> list[str]:
    certificate = escape(words.certificate_sentence(report.certificate))
    verification = escape(words.verification_sentence(report.verification))
    lines = [
        rf"\paragraph{{Certificate}} {certificate}.",
        rf"\paragraph{{Verification}} {verification}.",
    ]
    for item in report.unsupported:
        operation = rf"\texttt{{{escape(item.op)}}}"
        lines.append(rf"\paragraph{{Unsupported}} {operation} ({escape(item.effect)}).")
    return lines


def _breakable(path: str) -> str:
    return escape(path).replace(".", r".\allowbreak{}").replace(":", r":\allowbreak{}")
