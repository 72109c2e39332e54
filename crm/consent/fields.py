"""Owns what rules can ask about consent: the state of a purpose, on one channel or at all.

A statement for every channel and one for the channel itself are both heard; the later one counts, and of two at the
same moment the withdrawal.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, aliased

from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose
from crm.consent.models import ConsentState
from crm.contacts.fields import CHANNELS
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, Option, RuleContext
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType
from crm.web.i18n import lazy as _

_NOTHING: Final = "nothing"
STATES: Final = (
    Choice(ConsentAction.GRANTED, _("given")),
    Choice(ConsentAction.WITHDRAWN, _("withdrawn")),
    Choice(_NOTHING, _("not asked yet")),
)
PURPOSES: Final = (
    Choice(ConsentPurpose.PROMOTIONAL, _("promotions")),
    Choice(ConsentPurpose.PERSONAL, _("personal messages")),
    Choice(ConsentPurpose.PROFILING, _("profiling")),
)
BASES: Final = (
    Choice(Basis.CONSENT, _("consent")),
    Choice(Basis.SOFT_OPT_IN, _("soft opt-in")),
    Choice(Basis.CONTRACT, _("contract")),
    Choice(Basis.LEGITIMATE_INTEREST, _("legitimate interest")),
    Choice(Basis.UNKNOWN, _("unknown")),
)

_Later = aliased(ConsentState, name="later_consent")


def _channels(ask: Ask) -> tuple[str, ...] | None:
    channel = ask.options.get("channel")
    return ("", *channel) if channel else None


def _rows(row: Any, ask: Ask) -> sources.Rows:
    channels = _channels(ask)
    return sources.Rows(
        row,
        row.contact_id,
        row.workspace_id,
        lambda ask: [
            row.purpose.in_(ask.options["purpose"]),
            *([] if channels is None else [row.channel.in_(channels)]),
        ],
    )


def _state(action: ConsentAction, ask: Ask) -> ColumnElement[bool]:
    """There is a statement with that action that no later one of the same scope overrules."""
    withdrawal = action is ConsentAction.WITHDRAWN
    overruled = (_Later.since > ConsentState.since) if withdrawal else (_Later.since >= ConsentState.since)
    channels = _channels(ask)
    scope = _Later.channel.in_(["", ConsentState.channel]) if channels is None else _Later.channel.in_(channels)
    later = (
        select(_Later.id)
        .where(
            _Later.workspace_id == ask.context.workspace_id,
            _Later.contact_id == ConsentState.contact_id,
            _Later.purpose == ConsentState.purpose,
            _Later.action != action,
            scope,
            overruled,
        )
        .exists()
    )
    return sources.exists_row(_rows(ConsentState, ask), ask, ConsentState.action == action, ~later)


def _compile(ask: Ask) -> ColumnElement[bool]:
    wanted = (ask.value,) if ask.op is Op.IS else ask.value
    found: list[ColumnElement[bool]] = []
    for value in wanted:
        if value == _NOTHING:
            found.append(~sources.exists_row(_rows(ConsentState, ask), ask))
        else:
            found.append(_state(ConsentAction(value), ask))
    return or_(*found)


def _heard(facts: Mapping[str, Any], ask: Ask) -> list[Any]:
    channels = _channels(ask)
    return [
        row
        for row in facts["consents"]
        if row.purpose in ask.options["purpose"] and (channels is None or row.channel in channels)
    ]


def _read(facts: Mapping[str, Any], ask: Ask) -> list[str]:
    heard, channels = _heard(facts, ask), _channels(ask)
    if not heard:
        return [_NOTHING]
    states = []
    for row in heard:
        withdrawal = row.action == ConsentAction.WITHDRAWN
        overruled = any(
            other.action != row.action
            and other.purpose == row.purpose
            and (channels is not None or other.channel in ("", row.channel))
            and (other.since > row.since if withdrawal else other.since >= row.since)
            for other in heard
        )
        if not overruled:
            states.append(row.action)
    return states


_BASIS_ROWS: Final = sources.Rows(
    ConsentState.__table__,
    ConsentState.contact_id,
    ConsentState.workspace_id,
    lambda ask: [
        ConsentState.action == ConsentAction.GRANTED,
        *([ConsentState.purpose.in_(ask.options["purpose"])] if ask.options.get("purpose") else []),
    ],
)


def _bases(facts: Mapping[str, Any], ask: Ask) -> list[str]:
    purposes = ask.options.get("purpose")
    return [
        row.basis
        for row in facts["consents"]
        if row.action == ConsentAction.GRANTED and (not purposes or row.purpose in purposes)
    ]


_CONSENT: Final = _("Consent")

FIELDS: Final = (
    Field(
        "consent",
        FieldType.CHOICE,
        _("Consent"),
        _CONSENT,
        _("whose consent to %(purpose)s %(channel)s"),
        _compile,
        _read,
        STATES,
        options=(
            Option("purpose", "choice", _("Purpose"), PURPOSES, required=True, many=False, phrase="%(value)s"),
            Option("channel", "choice", _("Channel"), CHANNELS, many=False, phrase=_("by %(value)s")),
        ),
        operators=(Op.IS, Op.IS_NOT, Op.ANY_OF, Op.NONE_OF),
        phrases={
            Op.IS_NOT: _("whose consent to %(purpose)s %(channel)s is not %(value)s"),
            Op.NONE_OF: _("whose consent to %(purpose)s %(channel)s is not %(value)s"),
        },
        icon="shield-check",
    ),
    Field(
        "basis",
        FieldType.MULTI,
        _("Legal basis"),
        _CONSENT,
        _("whose legal basis"),
        sources.any_row(_BASIS_ROWS, ConsentState.basis),
        _bases,
        BASES,
        options=(Option("purpose", "choice", _("Purpose"), PURPOSES, phrase=_("for %(value)s")),),
        operators=(Op.ANY_OF, Op.NONE_OF, Op.HAS_VALUE, Op.NO_VALUE),
        icon="scale",
    ),
)


def load_facts(session: Session, context: RuleContext, contact_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The consent states of each contact, by contact id."""
    facts: dict[UUID, dict[str, Any]] = {contact_id: {"consents": []} for contact_id in contact_ids}
    wanted = select(ConsentState).where(
        and_(ConsentState.workspace_id == context.workspace_id, ConsentState.contact_id.in_(contact_ids))
    )
    for row in session.scalars(wanted):
        facts[row.contact_id]["consents"].append(row)
    return facts
