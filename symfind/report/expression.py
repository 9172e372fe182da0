"""The text of a formula, read: parsed and never evaluated, as a report may come from a stranger."""

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Pow: "**",
}


class Meaning(Protocol[T]):
    """What the parts of an arithmetic expression stand for; each may raise ValueError."""

    def number(self, value: int | float) -> T:
        """A number, not negative."""

    def name(self, name: str) -> T:
        """A size; dotted where it is that of a part."""

    def negative(self, operand: T) -> T:
        """Minus an expression."""

    def binary(self, operator: str, left: T, right: T) -> T:
        """One of + - * / // ** between two expressions."""

    def call(self, name: str, arguments: Sequence[T]) -> T:
        """A function, such as `floor` or `min`."""


def read(formula: str, meaning: Meaning[T]) -> T:
    """What `n_layer*d_head**2` stands for.

    Raises:
        ValueError: it is no arithmetic expression, or has no such meaning.
    """
    try:
        return _read(ast.parse(formula.strip(), mode="eval").body, meaning)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f"not an arithmetic expression: {formula}") from error


def _read(node: ast.expr, meaning: Meaning[T]) -> T:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return meaning.number(value)
        case ast.Name(id=name):
            return meaning.name(name)
        case ast.Attribute():
            return meaning.name(ast.unparse(node))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return meaning.negative(_read(operand, meaning))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return meaning.binary(_SIGNS[type(op)], _read(left, meaning), _read(right, meaning))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return meaning.call(name, [_read(argument, meaning) for argument in arguments])
    raise ValueError(f"not an arithmetic expression: {ast.dump(node)}")


def symbolic(formula: str) -> Any:
    """A formula as an expression of sympy; sizes are positive symbols.

    Raises:
        ValueError: it is no arithmetic expression, or too large.
    """
    return read(formula, _Sympy())


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": operator.pow,
}
_MOST = 100  # of an exponent that is a number: powers of numbers are worked out


class _Sympy:
    """An expression of sympy."""

    def number(self, value: int | float) -> Any:
        import sympy

        if isinstance(value, float):
            raise ValueError("sizes are whole")
        return sympy.Integer(value)

    def name(self, name: str) -> Any:
        import sympy

        return sympy.Symbol(name, positive=True)

    def negative(self, operand: Any) -> Any:
        return -operand

    def binary(self, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and right.is_number and abs(right) > _MOST:
            raise ValueError("a power too large to be worked out")
        return _OPERATORS[operator](left, right)

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        import sympy

        if name in ("Min", "Max") and arguments:
            return getattr(sympy, name)(*arguments)
        if name != "floor" or len(arguments) != 1:
            raise ValueError(f"no function {name}")
        return sympy.floor(arguments[0])
