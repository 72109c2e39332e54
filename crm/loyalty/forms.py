"""Owns the forms of loyalty; each turns into the input model that the API uses."""

from typing import Any

from wtforms import DateField, Field, HiddenField, IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import TextInput

from crm.contacts.inputs import parsed
from crm.contacts.words import CHANNEL_LABELS
from crm.loyalty.kinds import OfferKind
from crm.loyalty.models import Program
from crm.loyalty.queries import OfferView
from crm.loyalty.rules.ledger import MOST_POINTS
from crm.loyalty.services import OfferInput, ProgramInput, RuleInput
from crm.loyalty.services.offers import MOST_MONEY
from crm.loyalty.words import EARNING_KINDS, OFFER_KINDS
from crm.web.forms import Form
from crm.web.i18n import lazy
from crm.web.money import shown_money, typed_money

MONTHS = [
    ("", lazy("never")),
    *((str(n), lazy("after %(n)s months", n=n)) for n in (3, 6, 12, 24, 36)),
]


class Blank(Optional):
    """May be left empty, without the remark "if you like": here emptiness has a meaning of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags = {}


class MoneyField(Field):
    """A sum typed in the reader's way ("1.240,50" in Italian); `data` is whole minor units or None."""

    widget = TextInput()
    currency = "EUR"

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the typed sum; a third decimal is refused rather than rounded."""
        self.typed = str(valuelist[0]).strip() if valuelist else ""
        self.data = typed_money(self.typed, currency=self.currency, most=MOST_MONEY * 1000)

    def _value(self) -> str:
        typed = getattr(self, "typed", "")
        return typed or shown_money(self.data, self.currency)


def _number(text: str | None) -> int | None:
    return int(text) if text else None


class ProgramForm(Form):
    """A programme."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=80)])
    validity_months = SelectField(lazy("Points expire"), choices=MONTHS, default="12")
    point_value = MoneyField(
        lazy("What a point costs you when it is used"),
        default=1,
        description=lazy("For the figure of what open points may cost; members never see it."),
    )
    started_on = DateField(lazy("First day"), validators=[Blank()])
    ends_on = DateField(lazy("Last day"), validators=[Blank()])
    rules_text = TextAreaField(lazy("Rules for members"), validators=[Length(max=20_000)], render_kw={"rows": 6})

    @classmethod
    def of(cls, program: Program | None) -> "ProgramForm":
        """The form of a programme, or of a new one."""
        if program is None:
            return cls()
        return cls(
            name=program.name,
            validity_months=str(program.validity_months or ""),
            point_value=program.point_value_minor,
            started_on=program.started_on,
            ends_on=program.ends_on,
            rules_text=program.rules_text,
        )

    def input(self) -> ProgramInput:
        """What was typed; raises `InvalidInputError`."""
        return parsed(
            ProgramInput,
            {
                "name": self.name.data,
                "validity_months": _number(self.validity_months.data),
                "point_value_minor": self.point_value.data or 0,
                "started_on": self.started_on.data,
                "ends_on": self.ends_on.data,
                "rules_text": self.rules_text.data or "",
            },
        )


class RuleForm(Form):
    """An earning rule."""

    name = StringField(
        lazy("Name"),
        description=lazy("Members read it as the reason, like “Helpful comment”."),
        validators=[InputRequired(), Length(max=80)],
    )
    interaction_kind = SelectField(lazy("When this happens"), choices=EARNING_KINDS)
    channel = SelectField(
        lazy("Where"),
        choices=[("", lazy("anywhere")), *((str(kind), label) for kind, label in CHANNEL_LABELS.items())],
    )
    points = IntegerField(lazy("Points"), validators=[InputRequired(), NumberRange(1, MOST_POINTS)])
    cap_per_day = IntegerField(
        lazy("At most on one day"),
        description=lazy("Per member; empty for no limit."),
        validators=[Blank(), NumberRange(1, MOST_POINTS)],
    )

    def input(self) -> RuleInput:
        """What was typed; raises `InvalidInputError`."""
        return parsed(
            RuleInput,
            {
                "name": self.name.data,
                "interaction_kind": self.interaction_kind.data,
                "channel": self.channel.data or None,
                "points": self.points.data,
                "cap_per_day": self.cap_per_day.data,
            },
        )


class OfferForm(Form):
    """An offer; of the three values only the one of the chosen kind counts."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=120)])
    kind = RadioField(
        lazy("What it is worth"),
        description=lazy("Fill in the field of what you choose."),
        choices=[(kind.value, label) for kind, label in OFFER_KINDS.items()],
        default=OfferKind.PERCENT.value,
    )
    percent = IntegerField(lazy("Percent"), validators=[Blank(), NumberRange(1, 100)])
    amount_minor = MoneyField(lazy("Sum"))
    gift = StringField(lazy("Gift"), validators=[Length(max=200)])
    public_text = TextAreaField(
        lazy("What people read"),
        description=lazy("One or two sentences, in the message and on the page of the offer."),
        validators=[Length(max=500)],
        render_kw={"rows": 2},
    )
    terms = TextAreaField(
        lazy("Terms"),
        description=lazy("Also shown at the till, like “not together with other discounts”."),
        validators=[Length(max=5_000)],
        render_kw={"rows": 2},
    )
    starts_on = DateField(lazy("First day"), validators=[Blank()])
    ends_on = DateField(
        lazy("Last day"), validators=[Blank()], description=lazy("Valid until the last second of this day.")
    )
    limit_total = IntegerField(
        lazy("Uses in all"), description=lazy("Empty for no limit."), validators=[Blank(), NumberRange(1, MOST_MONEY)]
    )
    limit_per_person = IntegerField(
        lazy("Uses per person"), default=1, validators=[InputRequired(), NumberRange(1, 1000)]
    )
    budget_minor = MoneyField(lazy("Budget for discounts"), description=lazy("Empty for no limit."))

    @classmethod
    def of(cls, offer: OfferView) -> "OfferForm":
        """The form of an offer."""
        names = ("name", "percent", "amount_minor", "gift", "public_text", "terms", "starts_on", "ends_on",
                 "limit_total", "limit_per_person", "budget_minor")  # fmt: skip
        return cls(kind=offer.kind.value, **{name: getattr(offer, name) for name in names})

    def input(self) -> OfferInput:
        """What was typed; raises `InvalidInputError`."""
        kind = self.kind.data
        return parsed(
            OfferInput,
            {
                "name": self.name.data,
                "kind": kind,
                "percent": self.percent.data if kind == OfferKind.PERCENT else None,
                "amount_minor": self.amount_minor.data if kind == OfferKind.AMOUNT else None,
                "gift": self.gift.data or "" if kind == OfferKind.GIFT else "",
                "public_text": self.public_text.data or "",
                "terms": self.terms.data or "",
                "starts_on": self.starts_on.data,
                "ends_on": self.ends_on.data,
                "limit_total": self.limit_total.data,
                "limit_per_person": self.limit_per_person.data,
                "budget_minor": self.budget_minor.data,
            },
        )


class PointsForm(Form):
    """Points given or taken by hand; the key makes a repeated click one entry."""

    points = IntegerField(
        lazy("Points"),
        description=lazy("With a minus to take some away."),
        validators=[InputRequired(), NumberRange(-MOST_POINTS, MOST_POINTS)],
    )
    reason = StringField(
        lazy("Why"), description=lazy("The member reads it."), validators=[InputRequired(), Length(max=200)]
    )
    key = HiddenField(validators=[InputRequired(), Length(max=64)])


class GiveForm(Form):
    """An offer for one person."""

    contact_id = HiddenField(validators=[InputRequired()])
    offer_id = SelectField(lazy("Offer"), validate_choice=False, validators=[InputRequired()])


class TillForm(Form):
    """The till: a code and, when it is known, the purchase."""

    code = StringField(lazy("Code"), validators=[InputRequired(), Length(max=64)])
    purchase = MoneyField(lazy("Purchase before the discount"))
    key = HiddenField(validators=[Length(max=64)])
