"""Random rules over a catalogue, valid by construction, and random people for the small catalogue of the tests."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from filters.people import ELSEWHERE, NOW, TAGS, WORKSPACE
from hypothesis import strategies as st

from crm.filters.catalogue import Catalogue, Field
from crm.filters.schema import Op
from crm.filters.values import FieldType

NAMES = st.sampled_from(["Anna", "anna ", "ÀNNA", "Annalisa", "Bruno", "Łukasz", "d’Angelo", "o", "%", "_", "\\"])
DAYS = st.integers(-800, 800).map(lambda days: (NOW + timedelta(days=days)).date())
SPANS = st.fixed_dictionaries(
    {"amount": st.integers(0, 40), "unit": st.sampled_from(["days", "weeks", "months", "years"])}
)
NUMBERS = st.integers(-2, 6)
MOMENTS = st.one_of(
    st.integers(-60 * 24 * 40, 60 * 24 * 40).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.integers(-3, 3).map(lambda days: (NOW + timedelta(days=days)).replace(hour=23, minute=0, second=0)),
    st.just(NOW),
)


def _range(values):
    return st.tuples(values, values).map(lambda pair: {"from": min(pair), "to": max(pair)})


def _dates(values):
    return _range(values).map(lambda pair: {key: day.isoformat() for key, day in pair.items()})


def _money(values):
    return values.map(lambda amount: {"amount": amount, "currency": "EUR"})


WINDOWS = st.one_of(
    st.none(),
    SPANS.map(lambda span: {"last": span}),
    _dates(DAYS),
    DAYS.map(lambda day: {"from": day.isoformat()}),
    DAYS.map(lambda day: {"to": day.isoformat()}),
)


def values(field: Field, op: Op, keys: dict[str, list[str]]) -> st.SearchStrategy[Any]:
    """A value that `field` takes under `op`; `keys` holds the ids to choose from, by field and `field.option`."""
    if op in (Op.HAS_VALUE, Op.NO_VALUE):
        main = st.none()
    elif op in (Op.IN_LAST, Op.NOT_IN_LAST, Op.IN_NEXT, Op.NOT_IN_NEXT):
        main = SPANS
    elif op is Op.IN_MONTH:
        main = st.lists(st.integers(1, 12), min_size=1, max_size=3)
    elif field.type in (FieldType.DATE, FieldType.DATETIME):
        main = _dates(DAYS) if op is Op.BETWEEN else DAYS.map(date.isoformat)
    elif field.type is FieldType.MONEY:
        main = _range(NUMBERS).map(lambda pair: {key: {"amount": n, "currency": "EUR"} for key, n in pair.items()})
        main = main if op is Op.BETWEEN else _money(NUMBERS)
    elif field.type in (FieldType.NUMBER, FieldType.COUNT):
        main = _range(NUMBERS) if op is Op.BETWEEN else NUMBERS
    elif field.type is FieldType.BOOLEAN:
        main = st.booleans()
    else:
        one = NAMES if field.type is FieldType.TEXT else st.sampled_from(_keys(field.name, field.choices, keys))
        several = op in (Op.ANY_OF, Op.ALL_OF, Op.NONE_OF)
        main = st.lists(one, min_size=1, max_size=3) if several else one
    if not field.options:
        return main
    options = {}
    for option in field.options:
        if option.kind == "span":
            options[option.name] = SPANS
        elif option.kind == "window":
            options[option.name] = WINDOWS
        else:
            chosen = st.sampled_from(_keys(f"{field.name}.{option.name}", option.choices, keys))
            if option.many:
                options[option.name] = st.lists(chosen, min_size=1 if option.required else 0, max_size=2)
            else:
                options[option.name] = chosen if option.required else st.none() | chosen
    return st.fixed_dictionaries({"value": main, **options})


def _keys(name: str, choices: Any, keys: dict[str, list[str]]) -> list[str]:
    return [choice.value for choice in choices] if isinstance(choices, tuple) and choices else keys[name]


@st.composite
def leaves(draw, field: Field, keys: dict[str, list[str]]):
    """One condition on `field`."""
    op = draw(st.sampled_from(field.operators))
    return {"field": field.name, "op": op.value, "value": draw(values(field, op, keys))}


def rules(catalogue: Catalogue, keys: dict[str, list[str]]) -> st.SearchStrategy[Any]:
    """Trees of conditions on any field and operator of the catalogue."""
    fields = sorted(catalogue.fields.values(), key=lambda field: field.name)

    def grown(children):
        groups = st.lists(children, min_size=1, max_size=3)
        return st.one_of(
            groups.map(lambda nodes: {"all": nodes}),
            groups.map(lambda nodes: {"any": nodes}),
            children.map(lambda node: {"not": node}),
        )

    return st.recursive(st.sampled_from(fields).flatmap(lambda field: leaves(field, keys)), grown, max_leaves=6)


@st.composite
def people(draw):
    """Facts of one person, most of them close to the limits that the rules ask about."""
    number = draw(st.integers(0, 10**6))
    birthday = draw(st.one_of(st.none(), st.just((2, 29)), st.dates(date(2024, 1, 1), date(2024, 12, 31))))
    if isinstance(birthday, date):
        birthday = (birthday.month, birthday.day)
    return {
        "id": UUID(int=10**9 + number),
        "workspace_id": draw(st.sampled_from([WORKSPACE, WORKSPACE, WORKSPACE, ELSEWHERE])),
        "name": draw(st.one_of(st.none(), st.just(""), NAMES)),
        "points": draw(st.one_of(st.none(), NUMBERS)),
        **draw(
            st.one_of(
                st.just({"amount": None, "currency": None}),
                st.fixed_dictionaries({"amount": NUMBERS, "currency": st.sampled_from(["EUR", "USD"])}),
            )
        ),
        "since": draw(st.one_of(st.none(), DAYS)),
        "seen_at": draw(st.one_of(st.none(), MOMENTS)),
        "tier": draw(st.sampled_from([None, "gold", "silver", "bronze"])),
        "month": None if birthday is None else birthday[0],
        "day": None if birthday is None else birthday[1],
        "tags": tuple(draw(st.sets(st.sampled_from(TAGS), max_size=3))),
        "visits": tuple(
            draw(
                st.lists(
                    st.fixed_dictionaries(
                        {"kind": st.sampled_from(["shop", "web"]), "at": MOMENTS, "spent": st.integers(1, 3)}
                    ),
                    max_size=4,
                )
            )
        ),
    }
