"""R's expression grammar, as far as model formulas use it: text to a tree and back.

The tree is printed as R's ``deparse`` prints it, because R names the columns of a model
matrix by the printed expression: ``I(x ^ 2)`` becomes ``I(x^2)``, ``0.10`` becomes ``0.1``.
"""

from __future__ import annotations

__all__ = ["Call", "Constant", "Name", "Node", "deparse", "names_in", "parse"]

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?L?)"
    r"|(?P<name>(?:[^\W\d_]|\.(?!\d))[\w.]*)"
    r"|(?P<quoted>`[^`]+`)"
    r"|(?P<string>\"[^\"]*\"|'[^']*')"
    r"|(?P<operator>%[^%\s]*%|\*\*|<=|>=|==|!=|&&|\|\||[-+*/^:()~,=<>!&|]))"
)

#: Binding strength of R's binary operators (``?Syntax``).
_BINARY = {
    "~": 1, "||": 2, "|": 2, "&&": 3, "&": 3,
    "==": 5, "!=": 5, "<": 5, ">": 5, "<=": 5, ">=": 5,
    "+": 6, "-": 6, "*": 7, "/": 7, ":": 9, "^": 11,
}  # fmt: skip
_SPECIAL = 8  # %in%, %%, %/%
_UNARY = {"!": 4, "-": 10, "+": 10, "~": 1}
_TIGHT = {"^", ":", "/", "%%", "%/%"}  # deparse sets no spaces around these
_CONSTANTS: dict[str, bool | None] = {
    "TRUE": True, "T": True, "FALSE": False, "F": False, "NULL": None,
}  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A column, or the name of a function that is passed on (``contr.sum``)."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number, a string, TRUE, FALSE or NULL; `text` is how it was written."""

    value: float | str | bool | None
    text: str


@dataclass(frozen=True)
class Call:
    """A function or an operator and its arguments, each with its name ('' where it has none)."""

    function: str
    arguments: tuple[tuple[str, Node], ...]

    @property
    def operands(self) -> tuple[Node, ...]:
        """The arguments without their names."""
        return tuple(node for _, node in self.arguments)


Node = Name | Constant | Call


def parse(text: str) -> Node:
    """Parse one expression or formula; ValueError says where it cannot be read."""
    return _Parser(text).whole()


def names_in(node: Node) -> Iterator[str]:
    """Every name that is not that of a called function."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, Call):
        for operand in node.operands:
            yield from names_in(operand)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"unexpected {text[position:].strip()[:1]!r}")
            kind = str(match.lastgroup)
            token = match[kind]
            self.tokens.append((kind, "^" if token == "**" else token))
            position = match.end()
        self.at = 0

    def _error(self, reason: str) -> ValueError:
        return ValueError(f"`formula` could not be read at {self.text!r}: {reason}.")

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self.at += 1
        return token

    def _expect(self, symbol: str) -> None:
        kind, token = self._next()
        if (kind, token) != ("operator", symbol):
            what = "it ends too early (unbalanced brackets?)" if kind == "end" else repr(token)
            raise self._error(f"expected {symbol!r}, found {what}")

    def whole(self) -> Node:
        node = self._expression(0)
        if self._peek()[0] != "end":
            raise self._error(f"unexpected {self._peek()[1]!r} (unbalanced brackets?)")
        return node

    def _expression(self, least: int) -> Node:
        left = self._operand()
        while True:
            kind, token = self._peek()
            if kind != "operator":
                return left
            binding = _SPECIAL if token.startswith("%") else _BINARY.get(token, -1)
            if binding < max(least, 0):
                return left
            self._next()
            # ^ binds to the right; its right side may carry a sign, as in x^-1.
            right = self._expression(10 if token == "^" else binding + 1)
            left = Call(token, (("", left), ("", right)))

    def _operand(self) -> Node:
        kind, token = self._next()
        if kind == "operator" and token in _UNARY:
            return Call(token, (("", self._expression(_UNARY[token])),))
        if kind == "operator" and token == "(":
            inner = self._expression(0)
            self._expect(")")
            return Call("(", (("", inner),))
        if kind != "name":
            return self._literal(kind, token)
        if self._peek() == ("operator", "("):
            self._next()
            return Call(token, self._arguments())
        if token in _CONSTANTS:
            return Constant(_CONSTANTS[token], token)
        return Name(token)

    def _literal(self, kind: str, token: str) -> Node:
        if kind == "number":
            return Constant(float(token.removesuffix("L")), token)
        if kind == "string":
            return Constant(token[1:-1], token)
        if kind == "quoted":
            return Name(token[1:-1])
        raise self._error("it ends too early" if kind == "end" else f"unexpected {token!r}")

    def _arguments(self) -> tuple[tuple[str, Node], ...]:
        arguments: list[tuple[str, Node]] = []
        while self._peek() != ("operator", ")"):
            label = ""
            following = self.tokens[self.at + 1 : self.at + 2]
            if self._peek()[0] in ("name", "quoted") and following == [("operator", "=")]:
                label = self._next()[1].strip("`")
                self._next()
            arguments.append((label, self._expression(2)))
            if self._peek() != ("operator", ","):
                break
            self._next()
        self._expect(")")
        return tuple(arguments)


def deparse(node: Node) -> str:
    """The expression as R prints it."""
    if isinstance(node, Name):
        return node.name if _syntactic(node.name) else f"`{node.name}`"
    if isinstance(node, Constant):
        return _deparse_constant(node)
    operands = [deparse(operand) for operand in node.operands]
    name = node.function
    if name == "(":
        return f"({operands[0]})"
    if len(operands) == 1 and name in _UNARY:
        return f"{name}{operands[0]}"
    if len(operands) == 2 and (name in _BINARY or name.startswith("%")):
        return (name if name in _TIGHT else f" {name} ").join(operands)
    labelled = [
        f"{label} = {text}" if label else text
        for (label, _), text in zip(node.arguments, operands, strict=True)
    ]
    return f"{name}({', '.join(labelled)})"


def _syntactic(name: str) -> bool:
    return re.fullmatch(r"(?:[^\W\d_]|\.(?!\d))[\w.]*", name) is not None


def _deparse_constant(node: Constant) -> str:
    if isinstance(node.value, str):
        return f'"{node.value}"'
    if node.value is None or isinstance(node.value, bool):
        return node.text
    if node.text.endswith("L"):
        return f"{int(node.value)}L"
    return _number(node.value)


def _number(value: float) -> str:
    """R's shortest form of 15 digits; fixed notation unless scientific is narrower."""
    digits = next(n for n in range(1, 16) if n == 15 or float(f"{value:.{n}g}") == value)
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.split("e")[1])
    fixed = f"{value:.{max(digits - 1 - exponent, 0)}f}"
    return fixed if len(fixed) <= len(scientific) else scientific
