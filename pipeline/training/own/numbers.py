"""Reads numbers and epochs as trainers write them. A text that could mean different numbers is read as None."""

import math
import re
from typing import Any

_PLAIN = r"[+-]?(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = rf"{_PLAIN}|[+-]?(?:nan|inf(?:inity)?)"
_KEYWORDS = r"(?:,\s*(?:[A-Za-z_]\w*\s*=.*)?)?"
_END = r"[)\]},;:.]*"
# `0.031`, `87.5%`, `0.031,`.
_ALONE = re.compile(rf"({_NUMBER})\s?(%?){_END}", re.IGNORECASE)
# `[0.31]`, `tensor(0.31, device='cuda:0')`, `array([0.31])`, `<tf.Tensor: shape=(), numpy=0.31>`.
_WRAPPED = re.compile(
    rf"""[(\[{{]+\s*(?P<bracket>{_NUMBER})\s*[)\]}}]+{_END}
    |<?[a-z_][\w.]*\(\s*['"]?(?P<call>{_NUMBER})['"]?\s*{_KEYWORDS}(?:\){_END})?
    |[a-z_][\w.]*\(\s*\[+\s*(?P<list>{_NUMBER})\s*\]+\s*{_KEYWORDS}(?:\){_END})?
    |<.*\bnumpy=(?P<numpy>{_NUMBER})>{_END}""",
    re.IGNORECASE | re.VERBOSE,
)
# `1,234.5` and `1,234,567`; `1.234,5`; `0,031`, `3,14` and `12345,678`.
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})")
_THOUSANDS_WITH_DOTS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,})|\d{4,},\d+)")
# `1e-3` is `1` and `e-3`.
_EXPONENT = re.compile(r"(.*?)([eE][+-]?\d+)?")
_EPOCH_OF = re.compile(r"[(\[]?(\d+)\s*/\s*\d+[)\],;:.]*")


def number(value: Any) -> float | None:
    """The number that `value` certainly means, or None.

    Certain are `0.031`, `1e-3`, `nan`, `0.031,`, `0,031`, `87.5%` (0.875), `tensor(0.31, device='cuda:0')`, `[0.31]`.
    Uncertain are possible lists, and `1,234`, which means thousands in one country and a fraction in another.
    """
    if isinstance(value, list) and len(value) == 1:
        return number(value[0])
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        try:
            return float(value)
        except OverflowError:
            return None
    text = value.strip(" \t\r\n\xa0\"'`").replace("\u2212", "-")
    if match := _ALONE.fullmatch(text):
        plain = _float(match[1].rstrip(",."))
        return plain / 100 if plain is not None and match[2] else plain
    if match := _WRAPPED.fullmatch(text):
        inner = next(filter(None, match.groups())).rstrip(",.")
        return None if "," in inner else _float(inner)
    return None


def epoch(value: Any) -> float | None:
    """The number of an epoch, at least 0: 3 for `3` and `3/10`, 2.88 for `2.88`. None for everything else."""
    if isinstance(value, str) and (match := _EPOCH_OF.fullmatch(value.strip())):
        value = match[1]
    epoch = number(value)
    return epoch if epoch is not None and math.isfinite(epoch) and 0 <= epoch < 1e9 else None


def _float(text: str) -> float | None:
    match = _EXPONENT.fullmatch(text)
    assert match is not None
    mantissa, exponent = match.groups("")
    if _THOUSANDS.fullmatch(mantissa):
        mantissa = mantissa.replace(",", "")
    elif _THOUSANDS_WITH_DOTS.fullmatch(mantissa):
        mantissa = mantissa.replace(".", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(mantissa):
        mantissa = mantissa.replace(",", ".")
    try:
        return float(mantissa + exponent)
    except ValueError:
        return None
