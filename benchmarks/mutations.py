"""Valid files and values with a few changes: what the fuzzer feeds to whatever reads them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

#: A strategy of inputs, and what reads one.
Target = tuple[st.SearchStrategy[Any], Callable[[Any], object]]
WORDS = (
    b"../../../etc/passwd", b"/etc/passwd", b"C:\\x", b"\\write18{touch x}",
    b"<script>alert(1)</script>", b"=cmd|'/c calc'!A1", b"@SUM(1)", b"1e999", b"-1",
    b"99999999999999999999", b"nan", b"inf",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"\n", b"\r\n", b",", b";",
    b"[[", b"]]", b"{", b"}", b"!!python/object:os.system", b"\xf0\x9f\x98\x80", b"A" * 5000,
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([word.decode("latin-1") for word in WORDS]),
    st.text(max_size=20),
    st.builds(list),
    st.builds(dict),
    st.lists(st.integers(0, 3), max_size=3),
    st.builds(lambda: [[[[[[]]]]]]),
)


@st.composite
def mutated_bytes(draw: Any, seeds: list[bytes]) -> bytes:
    """A seed after a few mutations."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["set", "cut", "drop", "double", "word", "splice"]))
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        if kind == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "word":
            data[at:at] = draw(st.sampled_from(WORDS))
        else:
            data[at : at + length] = draw(st.binary(max_size=16))
    return bytes(data)


def _places(value: Any) -> list[tuple[Any, ...]]:
    """Every place inside nested dictionaries and lists."""
    found: list[tuple[Any, ...]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        found.append((key,))
        if isinstance(inner, dict | list):
            found += [(key, *rest) for rest in _places(inner)]
    return found


@st.composite
def mutated_values(draw: Any, seeds: list[Any]) -> Any:
    """A nested value in which a few places hold others, or nothing."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        inner = value
        for key in way:
            inner = inner[key]
        action = draw(st.sampled_from(["set", "set", "set", "remove", "add"]))
        if action == "set":
            inner[last] = draw(VALUES)
        elif action == "remove":
            del inner[last]
        elif isinstance(inner, dict):
            inner[draw(st.text(max_size=8))] = draw(VALUES)
        else:
            inner.append(draw(VALUES))
    return value
