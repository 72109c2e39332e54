"""Owns what a caller reads when pydantic refuses a value: one plain sentence for each field, in our own words."""

from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from crm.errors import worded

NOT_VALID: Final = worded("Some fields are not valid.")

#: By pydantic's type of finding; the numbers come from its context.
_SENTENCES: Final = MappingProxyType(
    {
        "missing": worded("This is needed."),
        "extra_forbidden": worded("There is no field with this name."),
        "string_type": worded("Write a text."),
        "string_too_short": worded("Write at least %(min_length)s characters."),
        "string_too_long": worded("Write at most %(max_length)s characters."),
        "string_pattern_mismatch": worded("This is not written as it should be."),
        "too_short": worded("Give at least %(min_length)s of them."),
        "too_long": worded("Give at most %(max_length)s of them."),
        "list_type": worded("Give a list."),
        "dict_type": worded("Give an object."),
        "model_type": worded("Give an object."),
        "model_attributes_type": worded("Give an object."),
        "int_type": worded("Write a whole number."),
        "int_parsing": worded("Write a whole number."),
        "int_from_float": worded("Write a whole number."),
        "float_type": worded("Write a number."),
        "float_parsing": worded("Write a number."),
        "decimal_parsing": worded("Write a number."),
        "bool_type": worded("Say true or false."),
        "bool_parsing": worded("Say true or false."),
        "greater_than": worded("This must be more than %(gt)s."),
        "greater_than_equal": worded("This must be %(ge)s or more."),
        "less_than": worded("This must be less than %(lt)s."),
        "less_than_equal": worded("This must be %(le)s or less."),
        "enum": worded("Choose one of these: %(expected)s."),
        "literal_error": worded("Choose one of these: %(expected)s."),
        "uuid_type": worded("This is not an id."),
        "uuid_parsing": worded("This is not an id."),
        "date_type": worded("Write a day that exists, like 2026-12-31."),
        "date_parsing": worded("Write a day that exists, like 2026-12-31."),
        "date_from_datetime_parsing": worded("Write a day that exists, like 2026-12-31."),
        "date_from_datetime_inexact": worded("Write a day without a time, like 2026-12-31."),
        "datetime_type": worded("Write a moment that exists, like 2026-12-31T09:30:00+01:00."),
        "datetime_parsing": worded("Write a moment that exists, like 2026-12-31T09:30:00+01:00."),
        "datetime_from_date_parsing": worded("Write a moment that exists, like 2026-12-31T09:30:00+01:00."),
        "timezone_aware": worded("Say in which zone, like 2026-12-31T09:30:00+01:00."),
    }
)
_ANYTHING: Final = worded("This is not valid.")


def field_errors(error: ValidationError) -> dict[str, str]:
    """{dotted field (`handles.0.address`): its sentence}; "body" for what concerns the whole."""
    return {_place(item["loc"]): _sentence(item) for item in error.errors(include_url=False)}


def _place(loc: tuple[int | str, ...]) -> str:
    # Beside names and positions, pydantic puts the kinds it tried into the path; those mean nothing to a caller.
    return ".".join(str(part) for part in loc if isinstance(part, int) or part.replace("_", "").isalnum()) or "body"


def _sentence(item: Any) -> str:
    context = item.get("ctx", {})
    if item["type"] == "value_error":
        # Our own validators raise with a sentence of the catalogues.
        return next((part for part in context["error"].args if isinstance(part, str)), _ANYTHING)
    found = _SENTENCES.get(item["type"], _ANYTHING)
    if "%(" not in found:
        return found
    # The names of values are the same in every language but for the word that joins them.
    values = {name: str(value).replace(" or ", ", ").replace("'", "") for name, value in context.items()}
    return worded(found, **values)
