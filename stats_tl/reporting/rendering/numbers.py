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


def format_interval(low: float, high: float, digits: int = 3, null: float = 0.0) -> str:
    """An interval as "low to high", with decimals enough to show on which side of `null` it lies.

    Parameters
    ----------
    low, high : float
        NaN is printed as an en dash.
    digits : int
        Decimals, at least; an end that would be printed as `null` without being it gets more.
    null : float
        Value of no difference: 0, or 1 of a ratio.

    Examples
    --------
    >>> format_interval(-0.0126, 0.0341), format_interval(-0.0126, -0.0004)
    ('−0.013 to 0.034', '−0.0126 to −0.0004')
    >>> format_interval(-0.0003, 0.0341), format_interval(0.996, 1.31, 2, null=1)
    ('−0.0003 to 0.0341', '0.996 to 1.310')
    """
    if math.isnan(low) or math.isnan(high):
        return MISSING
    digits = max(_digits_off(end, null, digits) for end in (low, high))
    return f"{format_number(low, digits)} to {format_number(high, digits)}"


def _digits_off(end: float, null: float, digits: int) -> int:
    """Decimals with which an end is not printed as `null`; as given where it is that."""
    if abs(end - null) < 10.0**-_MOST_DIGITS:
        return digits
    for own in range(digits, _MOST_DIGITS + 1):
        if float(f"{end:.{own}f}") != null:
            return own
    return digits


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
