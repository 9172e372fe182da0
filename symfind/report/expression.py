"""The text of a formula, read: parsed and never evaluated, as a report may come from a stranger."""

import ast
from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

_OPERATORS: dict[type[ast.operator], str] = {
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
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return meaning.binary(_OPERATORS[type(op)], _read(left, meaning), _read(right, meaning))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return meaning.call(name, [_read(argument, meaning) for argument in arguments])
    raise ValueError(f"not an arithmetic expression: {ast.dump(node)}")
