"""How numbers are printed, once for LaTeX, figures and the terminal.

AUCs and their differences have three decimals. P values follow the AMA Manual of
Style: no zero before the point; two decimals, three below .01 or where two would
hide on which side of alpha the value lies; never ``.00`` or ``1.00`` but ``<.001``
and ``>.99``. A minus sign is U+2212, intervals read "low to high", and what could
not be estimated is an en dash.
"""

from __future__ import annotations

__all__ = [
    "MINUS",
    "MISSING",
    "equals_p",
    "format_count",
    "format_interval",
    "format_number",
    "format_p",
]

import math

MINUS = "\N{MINUS SIGN}"
#: No number is printed with more decimals, however close to 0 it is.
_MOST_DIGITS = 6
MISSING = "\N{EN DASH}"


def format_number(value: float, digits: int = 3) -> str:
    """A number to `digits` decimals; never a negative zero.

    Parameters
    ----------
    value : float
        NaN is printed as an en dash.
    digits : int
        Decimals.

    Examples
    --------
    >>> format_number(0.83449), format_number(-0.0126), format_number(-0.0001)
    ('0.834', '−0.013', '0.000')
    """
    if math.isnan(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and any(digit in "123456789" for digit in text)
    return f"{MINUS if negative else ''}{text}"


def format_interval(low: float, high: float, digits: int = 3) -> str:
    """An interval as "low to high"; one that excludes 0 has decimals enough to show it.

    Examples
    --------
    >>> format_interval(-0.0126, 0.0341), format_interval(-0.0126, -0.0004)
    ('−0.013 to 0.034', '−0.0126 to −0.0004')
    """
    if math.isnan(low) or math.isnan(high):
        return MISSING
    nearest = low if low > 0 else high if high < 0 else math.nan
    while abs(round(nearest, digits)) == 0 and digits < _MOST_DIGITS:
        digits += 1
    return f"{format_number(low, digits)} to {format_number(high, digits)}"


def format_p(pvalue: float, alpha: float = 0.05) -> str:
    """A P value by the rules of the AMA Manual of Style.

    Parameters
    ----------
    pvalue : float
        Between 0 and 1, or NaN.
    alpha : float
        Level of the test: a value below it is never rounded up to it.

    Examples
    --------
    >>> [format_p(p) for p in (0.2, 0.034, 0.049, 0.0042, 0.0002, 0.999)]
    ['.20', '.03', '.049', '.004', '<.001', '>.99']
    """
    if math.isnan(pvalue):
        return MISSING
    if pvalue < 0.001:
        return "<.001"
    if pvalue > 0.99:
        return ">.99"
    digits = 3 if pvalue < 0.01 else 2
    # More digits until the printed value is on the same side of alpha as the exact one.
    while digits < 6 and pvalue < alpha <= round(pvalue, digits):
        digits += 1
    return f"{pvalue:.{digits}f}".removeprefix("0")


def equals_p(pvalue: float, alpha: float = 0.05) -> str:
    """A P value with its sign, to stand after "P" in a sentence.

    Examples
    --------
    >>> equals_p(0.034), equals_p(0.0002)
    ('= .03', '< .001')
    """
    text = format_p(pvalue, alpha)
    return f"{text[0]} {text[1:]}" if text[0] in "<>" else f"= {text}"


def format_count(value: float) -> str:
    """A whole number, with thin spaces between thousands from five digits on.

    Examples
    --------
    >>> format_count(1875), format_count(float("nan"))
    ('1875', '–')
    """
    if math.isnan(value):
        return MISSING
    text = str(round(value))
    return text if len(text) < 5 else f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
