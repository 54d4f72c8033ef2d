r"""Any text as LaTeX that prints just that text.

The result is plain ASCII and compiles with pdfLaTeX, XeLaTeX and LuaLaTeX: special
characters are escaped, accents become accent commands. A character that no standard font has
becomes a command (:func:`definitions`) that prints it under XeLaTeX and LuaLaTeX where the font
of the document has it, and its code point else.
"""

from __future__ import annotations

__all__ = ["definitions", "escape", "pieces"]

import re
import unicodedata

_ASCII = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\ensuremath{|}",
    # No upright quotation mark is in OT1, but in its typewriter; babel gives it other meanings.
    '"': r'\texttt{\string"}',
    # After the end of a table row these would be read as an argument of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Two of these in a row are ligatures (dashes, quotation marks), so none stands alone.
    "-": "-{}",
    "'": "'{}",
    "`": "`{}",
    ",": ",{}",
    "?": "?{}",
    "!": "!{}",
}
_LETTERS = {
    "ß": r"\ss{}",
    "Æ": r"\AE{}",
    "æ": r"\ae{}",
    "Œ": r"\OE{}",
    "œ": r"\oe{}",
    "Ø": r"\O{}",
    "ø": r"\o{}",
    "Å": r"\AA{}",
    "å": r"\aa{}",
    "Ł": r"\L{}",
    "ł": r"\l{}",
    "ı": r"\i{}",
    "ȷ": r"\j{}",
    # Not in OT1, the encoding of a document that chooses none.
    "Đ": r"\UseTextSymbol{T1}{\DJ}",
    "đ": r"\UseTextSymbol{T1}{\dj}",
    "Þ": r"\UseTextSymbol{T1}{\TH}",
    "þ": r"\UseTextSymbol{T1}{\th}",
    "Ð": r"\UseTextSymbol{T1}{\DH}",
    "ð": r"\UseTextSymbol{T1}{\dh}",
}
_SYMBOLS = {
    # pandoc leaves out \textendash and \textemdash.
    "–": "{--}",
    "—": "{---}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "„": r"\UseTextSymbol{T1}{\quotedblbase}",
    "«": r"\UseTextSymbol{T1}{\guillemotleft}",
    "»": r"\UseTextSymbol{T1}{\guillemotright}",
    "…": r"\ldots{}",
    "•": r"\ensuremath{\bullet}",
    "†": r"\ensuremath{\dagger}",
    "·": r"\ensuremath{\cdot}",
    "°": r"\textdegree{}",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "®": r"\textregistered{}",
    "™": r"\texttrademark{}",
    "¿": r"\textquestiondown{}",
    "¡": r"\textexclamdown{}",
    "€": r"\texteuro{}",
    "£": r"\pounds{}",
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "÷": r"\ensuremath{\div}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "≠": r"\ensuremath{\neq}",
    "≈": r"\ensuremath{\approx}",
    "∞": r"\ensuremath{\infty}",
    "→": r"\ensuremath{\rightarrow}",
    "←": r"\ensuremath{\leftarrow}",
    "²": r"\ensuremath{^2}",
    "³": r"\ensuremath{^3}",
    "µ": r"\ensuremath{\mu}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{THIN SPACE}": r"\,",
    "\N{SOFT HYPHEN}": r"\-",
}
_OGONEK = r"\UseTextAccent{T1}{\k}"
_ACCENTS = {
    "GRAVE ACCENT": r"\`",
    "ACUTE ACCENT": r"\'",
    "CIRCUMFLEX ACCENT": r"\^",
    "TILDE": r"\~",
    "DIAERESIS": r"\"",
    "MACRON": r"\=",
    "DOT ABOVE": r"\.",
    "BREVE": r"\u",
    "CARON": r"\v",
    "DOUBLE ACUTE ACCENT": r"\H",
    "CEDILLA": r"\c",
    "OGONEK": _OGONEK,
    "DOT BELOW": r"\d",
    "MACRON BELOW": r"\b",
    "RING ABOVE": r"\r",
    "COMMA BELOW": r"\textcommabelow",
}
_BELOW = {r"\c", r"\d", r"\b", r"\textcommabelow", _OGONEK}
_GREEK_NAMES = {
    0x3B1: "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi o pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega",
    0x391: "A B Gamma Delta E Z H Theta I K Lambda M N Xi O Pi P varsigma Sigma T Upsilon Phi X "
    "Psi Omega",
}
_GREEK = {
    chr(first + number): rf"\ensuremath{{{name if len(name) == 1 else chr(92) + name}}}"
    for first, names in _GREEK_NAMES.items()
    for number, name in enumerate(names.split())
}
_KNOWN = {**_ASCII, **_LETTERS, **_SYMBOLS, **_GREEK}
_BREAKABLE = "_-./+:"
_LONG = 16
#: The command for a character that no standard font has; any may end a line.
_OTHER = r"\statstlchar"
#: pandoc skips what stands between ``\iffalse`` and the first ``\fi``, so that it has the last
#: line only. In a list of tables the commands are expanded, as it may stand before them.
_DEFINITIONS = r"""
\unless\iffalse\let\statstlfi\fi\fi
\unless\iffalse\ifdefined\Umathchar\def\statstlchar#1#2{\iffontchar\font#1 \symbol{#1}\statstlfi
  \unless\iffontchar\font#1 \mbox{#2}\statstlfi}\fi\fi
\unless\iffalse\ifdefined\Umathchar\ifdefined\CJKfamily\def\statstlchar#1#2{\symbol{#1}}\fi\fi\fi
\providecommand{\statstlchar}[2]{\mbox{#2}}
""".strip().replace("\n  ", "%\n  ")


def escape(text: str, *, breakable: bool = False) -> str:
    r"""Text as LaTeX that prints just that text.

    Parameters
    ----------
    text : str
        Anything, a user's file names included.
    breakable : bool
        Allow line breaks, without a hyphen, in words of more than 16 characters: after
        ``_ - . / + :``, and where there is none of them.

    Returns
    -------
    str
        ASCII.

    Examples
    --------
    >>> print(escape("50 % of net_1 & Gómez"))
    50 \% of net\_1 \& G\'{o}mez
    """
    # Composed, so that a letter and its combining accent are one character where possible.
    words = re.split(r"(\s+)", unicodedata.normalize("NFC", str(text)))
    between = r"\allowbreak{}" if breakable else ""
    escaped = (
        between.join("".join(map(_escape_character, piece)) for piece in pieces(word))
        for word in words
    )
    # An empty group only matters before a character that would complete a ligature.
    return re.sub(r"(?<=[-'`,?!])\{\}(?![-'`,?!])", "", "".join(escaped))


def definitions(latex: str) -> list[str]:
    """What has to stand before some LaTeX for its escaped characters, as lines; often nothing.

    Packages for Chinese, Japanese and Korean (xeCJK, luatexja, ctex) choose the font of a
    character themselves, so that beside them it is printed whatever the current font has.
    """
    return _DEFINITIONS.splitlines() if _OTHER in latex else []


def pieces(word: str) -> list[str]:
    """Parts of a word between which its line may end.

    Examples
    --------
    >>> pieces("resnet50_radimagenet-v2"), pieces("5-fold"), pieces("日本 x")
    (['resnet50_', 'radimagenet-', 'v2'], ['5-fold'], ['日', '本', ' x'])
    """
    parts, part = [], ""
    for character in word:
        part += character
        long = len(word) > _LONG and (character in _BREAKABLE or len(part) == _LONG)
        if long or _escape_character(character).startswith(_OTHER):
            parts.append(part)
            part = ""
    return [*parts, part] if part or not parts else parts


def _escape_character(character: str) -> str:
    known = _KNOWN.get(character)
    if known is not None:
        return known
    if " " <= character <= "~":
        return character
    if character.isspace() or unicodedata.category(character) == "Cc":
        return " "
    accented = _accented(unicodedata.normalize("NFD", character))
    return accented or rf"{_OTHER}{{{ord(character)}}}{{[U+{ord(character):04X}]}}"


def _accented(decomposed: str) -> str:
    """A letter under its accents; empty where one of them, or the letter, has no command."""
    letter, marks = decomposed[0], decomposed[1:]
    commands = [
        _ACCENTS.get(unicodedata.name(mark, "").removeprefix("COMBINING ")) for mark in marks
    ]
    if not (letter.isascii() and letter.isalpha() and commands and all(commands)):
        return ""
    # Those above first: TeX puts them on letters only, and those below under anything.
    below = [command for command in commands if command in _BELOW]
    above = [command for command in commands if command not in _BELOW]
    text = letter
    for command in (*above, *below):
        text = f"{command}{{{text}}}"
    # One upon another they need the letters with accents that OT1 lacks.
    return rf"{{\fontencoding{{T1}}\selectfont{text}}}" if len(above) > 1 else text
