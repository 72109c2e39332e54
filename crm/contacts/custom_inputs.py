"""Owns what can be said about a field of the workspace's own: the input model of its page and of the API."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from crm.channels.sentences import N_
from crm.contacts.custom_rules import CHOOSING, KEY, ORDERED, FieldShape, ValueRefusedError, number_in, read
from crm.contacts.inputs import Input, Line
from crm.contacts.kinds import CustomSubject, CustomType
from crm.db import new_id
from crm.errors import InvalidInputError

LONGEST_LABEL: Final = 60
MOST_CHOICES: Final = 100


def _known_key(value: str) -> str:
    if value and not KEY.fullmatch(value):
        raise ValueError(N_("A key begins with a letter and has small letters, digits and _ only."))
    return value


def _no_place(value: str) -> str:
    # The sentence of a rule fills its values into such places.
    if "%(" in value:
        raise ValueError(N_("A label can’t hold “%(”."))
    return value


Label = Annotated[Line, Field(min_length=1, max_length=LONGEST_LABEL), AfterValidator(_no_place)]
Key = Annotated[str, AfterValidator(_known_key)]


class CustomChoiceInput(Input):
    """A value to choose from; without `key` a new one."""

    key: Key = ""
    label: Label


class CustomFieldInput(Input):
    """A field of the workspace's own; `key` is made from the label when it is not given, and never changes."""

    subject: CustomSubject = CustomSubject.CONTACT
    key: Key = ""
    label: Label
    type: CustomType = CustomType.TEXT
    help: Line = ""
    required: bool = False
    filterable: bool = True
    lowest: Annotated[Line, Field(description="The lowest value of a number, an amount or a date.")] = ""
    highest: Annotated[Line, Field(description="The highest value of a number, an amount or a date.")] = ""
    pattern: Annotated[Line, Field(description="The form of a text: A a letter, 9 a digit, X either.")] = ""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="The usual currency of amounts.")] = "EUR"
    choices: Annotated[list[CustomChoiceInput], Field(max_length=MOST_CHOICES)] = []


def checked(data: CustomFieldInput) -> dict[str, Any]:
    """The columns of a definition, what its type has no use for left out; raises `InvalidInputError`."""
    errors: dict[str, str] = {}
    limits = {"lowest": "", "highest": ""}
    if data.type in ORDERED:
        bare = _bare(data)
        for name in limits:
            try:
                value = read(bare, getattr(data, name))
                limits[name] = "" if value is None else value.text.removesuffix(f" {data.currency}")
            except ValueRefusedError as error:
                errors[name] = error.sentence
        if not errors and all(limits.values()) and _is_reversed(data.type, **limits):
            errors["highest"] = N_("The first value must not come after the second.")
    if data.type in CHOOSING and not data.choices:
        errors["choices"] = N_("Write at least one choice.")
    if errors:
        raise InvalidInputError(N_("Some values are not right."), fields=errors)
    plain = data.model_dump(include={"subject", "label", "type", "help", "required", "filterable", "currency"})
    return {**plain, **limits, "pattern": data.pattern if data.type is CustomType.TEXT else ""}


def _bare(data: CustomFieldInput) -> FieldShape:
    return FieldShape(
        id=new_id(), subject=data.subject, key="limit", label=data.label, type=data.type, currency=data.currency
    )


def _is_reversed(kind: CustomType, *, lowest: str, highest: str) -> bool:
    if kind is CustomType.DATE:
        return lowest > highest
    return number_in(lowest) > number_in(highest)
