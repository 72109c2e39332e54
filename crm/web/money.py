"""Owns how sums of money are typed: in the reader's way, kept as whole minor units of a currency."""

from babel.numbers import NumberFormatError, format_decimal, get_currency_precision, parse_decimal
from flask_babel import get_locale

from crm.web.i18n import _

_EXAMPLE = 124_050


def typed_money(text: str, *, currency: str, most: int) -> int | None:
    """The minor units of a sum as the reader writes it ("1.240,50" in Italian), None for nothing.

    Raises `ValueError` with a sentence for what is no sum, is negative, has more decimals than the currency, or lies
    above `most` minor units.
    """
    bare = text.replace("€", "").strip()
    if not bare:
        return None
    refusal = _("Write a sum like %(example)s.", example=shown_money(_EXAMPLE, currency))
    try:
        amount = parse_decimal(bare, locale=get_locale() or "en", strict=True)
    except NumberFormatError as error:
        raise ValueError(refusal) from error
    if not amount.is_finite():
        raise ValueError(refusal)
    minor = amount.scaleb(get_currency_precision(currency))
    if minor != minor.to_integral_value() or not 0 <= minor <= most:
        raise ValueError(refusal)
    return int(minor)


def shown_money(minor: int | None, currency: str = "EUR") -> str:
    """A sum as a field shows it, without the sign of its currency."""
    if minor is None:
        return ""
    digits = get_currency_precision(currency)
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return format_decimal(minor / 10**digits, format=pattern, locale=get_locale() or "en")
