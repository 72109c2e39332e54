"""Owns the forms of deals and pipelines; each turns into the input model that the API uses."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from wtforms import BooleanField, DateField, HiddenField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from crm.contacts.inputs import parsed
from crm.deals.kinds import StageKind
from crm.deals.models import Deal, DealStage, LostReason
from crm.deals.rules import MOST_DAYS, MOST_MONEY
from crm.deals.services import FIELDS, MoveInput, StageInput, text_of
from crm.deals.words import KINDS, currency_choices
from crm.errors import InvalidInputError, worded
from crm.numbers import whole
from crm.web.forms import Form
from crm.web.i18n import _, lazy
from crm.web.money import shown_money, typed_money

#: Which form fields one fact of the page is edited with.
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title",),
    "amount": ("amount", "currency"),
    "closes_on": ("closes_on",),
    "probability": ("probability",),
    "owner_id": ("owner_id",),
}
#: Offered beside the workspace's own currency.
USUAL_CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF")


def as_id(text: str | None, field: str) -> UUID | None:
    """The id of a choice, None for none; raises `InvalidInputError` beside the field."""
    try:
        return UUID(text) if text else None
    except ValueError as error:
        sentence = worded("Choose one of the list.")
        raise InvalidInputError(sentence, fields={field: sentence}) from error


def chosen_id(text: str | None, field: str, missing: str) -> UUID:
    """The id of a choice that has to be made; raises `InvalidInputError`, with `missing` for none."""
    found = as_id(text, field)
    if found is None:
        raise InvalidInputError(missing, fields={field: missing})
    return found


class DealForm(Form):
    """A deal, whole or one fact of it; `seen` remembers the values that it showed."""

    title = StringField(lazy("What is it about?"), validators=[InputRequired(), Length(max=200)])
    amount = StringField(lazy("Amount"), validators=[Length(max=40)])
    currency = SelectField(lazy("Currency"), validate_choice=False)
    closes_on = DateField(lazy("Expected to close"), validators=[Optional()])
    probability = IntegerField(
        lazy("Chance in per cent"),
        description=lazy("Empty for the one of its stage."),
        validators=[Optional(), NumberRange(0, 100)],
    )
    owner_id = SelectField(lazy("Owner"))
    seen = HiddenField(validators=[Length(max=2_000)])

    def offer(self, colleagues: Mapping[UUID, str], *, currency: str) -> "DealForm":
        """Fill the choices; `currency` is the workspace's, and stands first."""
        self.owner_id.choices = [("", _("nobody")), *((str(key), name) for key, name in colleagues.items())]
        codes = list(dict.fromkeys([self.currency.data or currency, currency, *USUAL_CURRENCIES]))
        self.currency.choices = currency_choices([code for code in codes if len(code) == 3])  # noqa: PLR2004 - ISO 4217.
        self.currency.data = self.currency.data or currency
        return self

    def keep(self, part: str) -> "DealForm":
        """Only the fields of one fact."""
        for name in {"title", "amount", "currency", "closes_on", "probability", "owner_id"} - set(PARTS[part]):
            del self[name]
        return self

    def show(self, deal: Deal) -> "DealForm":
        """The values as they stand."""
        self.title.data, self.closes_on.data, self.probability.data = deal.title, deal.closes_on, deal.probability
        self.amount.data, self.currency.data = shown_money(deal.amount_minor, deal.currency), deal.currency
        self.owner_id.data = str(deal.owner_id or "")
        return self.look_at(deal)

    def look_at(self, deal: Deal) -> "DealForm":
        """Remember the values as they stand, without showing them: the next saving replaces those."""
        self.seen.raw_data, self.seen.data = None, json.dumps({field: text_of(deal, field) for field in FIELDS})
        return self

    def was_seen(self) -> dict[str, str] | None:
        """The values that the form showed, None where it doesn't say."""
        try:
            given = json.loads(self.seen.data or "null")
        except ValueError:
            return None
        return {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else None

    def changes(self) -> dict[str, Any]:
        """The fields that are there, as `DealInput` takes them; raises `InvalidInputError` for a sum that is none."""
        values: dict[str, Any] = {
            name: self[name].data for name in ("title", "closes_on", "probability") if name in self
        }
        if "owner_id" in self:
            values["owner_id"] = as_id(self.owner_id.data, "owner_id")
        if "amount" in self:
            values |= {"currency": self.currency.data or "", "amount_minor": self._minor()}
        return values

    def validate_amount(self, field: StringField) -> None:  # noqa: ARG002 - WTForms hands it over.
        """A sum as the reader writes it."""
        try:
            self._minor()
        except InvalidInputError as error:
            raise ValidationError(error.message) from error

    def _minor(self) -> int:
        code = (self.currency.data or "").upper()
        try:
            return typed_money(self.amount.data or "", currency=code or "EUR", most=MOST_MONEY) or 0
        except ValueError as error:
            raise InvalidInputError(str(error), fields={"amount": str(error)}) from error


class NewDealForm(DealForm):
    """A new deal: also where it begins and with whom."""

    owner_id = SelectField(lazy("Owner"), validate_choice=False)
    stage_id = SelectField(lazy("Stage"), validate_choice=False)
    contact_id = SelectField(lazy("Person"), validate_choice=False)
    contact_role = StringField(
        lazy("Their part in it"), description=lazy("Like “decides” or “buyer”."), validators=[Length(max=200)]
    )
    company_id = SelectField(lazy("Company"), validate_choice=False)

    def input(self) -> dict[str, Any]:
        """The values as `NewDealInput` takes them."""
        company_id = as_id(self.company_id.data, "company_id")
        return self.changes() | {
            "stage_id": as_id(self.stage_id.data, "stage_id"),
            "contact_id": as_id(self.contact_id.data, "contact_id"),
            "contact_role": self.contact_role.data or "",
            "company_ids": [company_id] if company_id else [],
        }


class MoveForm(Form):
    """Where a deal goes, and why it was lost."""

    stage_id = SelectField(lazy("Stage"), validate_choice=False)
    lost_reason_id = SelectField(lazy("Why was it lost?"), validate_choice=False)
    lost_note = TextAreaField(lazy("In your own words"), validators=[Length(max=5_000)], render_kw={"rows": 3})
    version = HiddenField(validators=[Length(max=12)])
    after_id = HiddenField(validators=[Length(max=36)])
    before_id = HiddenField(validators=[Length(max=36)])

    def offer(
        self, stages: Sequence[DealStage], reasons: Sequence[LostReason], pipelines: Mapping[UUID, str] | None = None
    ) -> "MoveForm":
        """Fill the choices; under the names of `pipelines` where there are several."""
        names = pipelines or {}
        if len(names) > 1:
            groups: dict[str, list[tuple[str, str]]] = {}
            for stage in stages:
                groups.setdefault(names[stage.pipeline_id], []).append((str(stage.id), stage.name))
            self.stage_id.choices = groups
        else:
            self.stage_id.choices = [(str(stage.id), stage.name) for stage in stages]
        self.lost_reason_id.choices = [
            ("", _("another reason")),
            *((str(reason.id), reason.name) for reason in reasons),
        ]
        return self

    def expected(self) -> int | None:
        """The version that was looked at, None where the form doesn't say."""
        return whole(self.version.data)

    def input(self) -> MoveInput:
        """What was chosen; raises `InvalidInputError`."""
        stage_id = chosen_id(self.stage_id.data, "stage_id", worded("Choose a stage."))
        ids = {name: as_id(self[name].data, name) for name in ("lost_reason_id", "after_id", "before_id")}
        return parsed(MoveInput, {**ids, "stage_id": stage_id, "lost_note": (self.lost_note.data or "").strip()})


class PersonForm(Form):
    """Somebody who takes part in a deal."""

    contact_id = SelectField(lazy("Person"), validate_choice=False)
    role = StringField(lazy("Their part in it"), validators=[Length(max=200)])
    is_main = BooleanField(lazy("The main person"))


class CompanyLinkForm(Form):
    """A company that a deal is with."""

    company_id = SelectField(lazy("Company"), validate_choice=False)


class NameForm(Form):
    """A pipeline or a reason, by name."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=80)])


class StageForm(Form):
    """A stage of a pipeline."""

    name = StringField(lazy("Name"), validators=[InputRequired(), Length(max=80)])
    kind = SelectField(
        lazy("What it means"),
        choices=[(kind.value, label) for kind, label in KINDS.items()],
        default=StageKind.OPEN.value,
    )
    probability = IntegerField(lazy("Chance in per cent"), default=0, validators=[Optional(), NumberRange(0, 100)])
    rot_days = IntegerField(
        lazy("Mark after days"),
        description=lazy("Deals that stand here longer are marked. Empty for never."),
        validators=[Optional(), NumberRange(1, MOST_DAYS)],
    )

    @classmethod
    def of(cls, stage: DealStage) -> "StageForm":
        """The form of a stage as it stands."""
        values = {"name": stage.name, "kind": stage.kind, "probability": stage.probability, "rot_days": stage.rot_days}
        return cls(formdata=None, data=values)

    def input(self) -> StageInput:
        """What was typed; raises `InvalidInputError`."""
        return parsed(
            StageInput,
            {
                "name": self.name.data or "",
                "kind": self.kind.data,
                "probability": self.probability.data or 0,
                "rot_days": self.rot_days.data,
            },
        )


class RemoveForm(Form):
    """Where the deals of a removed stage go."""

    move_to = SelectField(lazy("Its deals go to"), validate_choice=False)

    def offer(self, stages: Sequence[DealStage]) -> "RemoveForm":
        """Fill the choice."""
        self.move_to.choices = [("", _("Choose a stage")), *((str(stage.id), stage.name) for stage in stages)]
        return self
