"""LaTeX: formulas, and a page for one report."""

from collections.abc import Sequence
from dataclasses import dataclass

from symfind.characters import shown, tex
from symfind.report import words
from symfind.report.expression import read
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
        return read(formula, _Latex()).text
    except (ValueError, RecursionError):
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


@dataclass(frozen=True)
class _Text:
    """What an expression prints as, and how strongly that binds."""

    text: str
    strength: int
    number: bool = False

    def at_least(self, strength: int) -> str:
        return self.text if self.strength >= strength else rf"\left({self.text}\right)"


class _Latex:
    """An expression as LaTeX."""

    def number(self, value: int | float) -> _Text:
        return _Text(str(value), _ATOM, True)

    def name(self, name: str) -> _Text:
        return _Text(rf"\mathrm{{{escape(name)}}}" if "." in name else _symbol(name), _ATOM)

    def negative(self, operand: _Text) -> _Text:
        return _Text(f"-{operand.at_least(_PRODUCT)}", _SUM)

    def binary(self, operator: str, left: _Text, right: _Text) -> _Text:
        match operator:
            case "+":
                return _Text(f"{left.text} + {right.text}", _SUM)
            case "-":
                return _Text(f"{left.text} - {right.at_least(_PRODUCT)}", _SUM)
            case "*":
                times = r" \cdot " if right.number else r"\,"
                text = f"{left.at_least(_PRODUCT)}{times}{right.at_least(_PRODUCT)}"
                return _Text(text, _PRODUCT)
            case "**":
                return _Text(f"{left.at_least(_ATOM)}^{{{right.text}}}", _POWER)
        fraction = rf"\frac{{{left.text}}}{{{right.text}}}"
        return _Text(fraction, _PRODUCT) if operator == "/" else _floor(fraction)

    def call(self, name: str, arguments: Sequence[_Text]) -> _Text:
        inner = ", ".join(argument.text for argument in arguments)
        if name == "floor":
            return _floor(inner)
        function = _FUNCTIONS.get(name, rf"\operatorname{{{escape(name)}}}")
        return _Text(rf"{function}\left({inner}\right)", _ATOM)


def _floor(text: str) -> _Text:
    return _Text(rf"\left\lfloor {text} \right\rfloor", _ATOM)


def _symbol(name: str) -> str:
    """A letter with the rest as its index; a name of words as it is, upright."""
    head, _, tail = name.partition("_")
    if head not in _GREEK and len(head) != 1:
        return rf"\mathrm{{{escape(name)}}}"
    base = rf"\{head}" if head in _GREEK else head
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
