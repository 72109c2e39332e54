"""Owns the ways out: one-click unsubscription and preferences by a link that works for ever, also after a merge."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent import queries as consent_queries
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.consent.rules import latest
from crm.contacts.models import Contact, Handle
from crm.errors import NotFoundError
from crm.outreach.links import PreferenceToken

#: What a person chooses on the preference page.
CHOICES = (ConsentPurpose.PROMOTIONAL, ConsentPurpose.PERSONAL)
#: A chain of merges longer than this is a circle.
MAX_MERGES = 50


class NobodyError(NotFoundError):
    """The person behind a link was erased; nothing is kept that could be written to."""

    code = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What the person behind a link gets now: purpose -> yes or no, over all channels, and who asks."""

    contact_id: UUID
    house_name: str
    language: str
    channel: ChannelKind
    wants: Mapping[ConsentPurpose, bool]


def member_actor(token: PreferenceToken) -> Actor:
    """The actor of whoever holds a preference link: it may do nothing but say yes or no for itself."""
    return Actor(workspace_id=token.workspace_id, kind=ActorKind.MEMBER)


def person_of(session: Session, *, token: PreferenceToken) -> Contact:
    """The contact a link belongs to now, following merges; raises `NobodyError` for an erased one."""
    contact_id: UUID | None = token.contact_id
    for _ in range(MAX_MERGES):
        found = session.scalars(select(Contact).where(Contact.id == contact_id)).one_or_none()
        if found is None:
            break
        if found.merged_into_id is None:
            if found.erased_at is None:
                return found
            break
        contact_id = found.merged_into_id
    raise NobodyError(N_("There is nobody behind this link any more, so nothing will be sent."))


def preferences(session: Session, *, token: PreferenceToken) -> Preferences:
    """What the preference page shows."""
    contact = person_of(session, token=token)
    house = session.get_one(Workspace, token.workspace_id)
    states = consent_queries.states(session, member_actor(token), contact_ids=[contact.id])[contact.id]
    wants: dict[ConsentPurpose, bool] = {}
    for purpose in CHOICES:
        state = latest(states, purpose, token.channel.value)
        # Promotions need a yes; a hand-written message only the absence of a no.
        wants[purpose] = (
            state is not None and state.action is ConsentAction.GRANTED
            if purpose is ConsentPurpose.PROMOTIONAL
            else state is None or state.action is ConsentAction.GRANTED
        )
    language = (contact.language or house.locale)[:2]
    return Preferences(
        contact_id=contact.id, house_name=house.name, language=language, channel=token.channel, wants=wants
    )


def unsubscribe(session: Session, *, token: PreferenceToken, source: str = "one_click", now: datetime) -> UUID:
    """No more promotions, on any channel; saying it twice is saying it once. Returns the contact's id."""
    contact = person_of(session, token=token)
    states = consent_queries.states(session, member_actor(token), contact_ids=[contact.id])[contact.id]
    known = states.get((ConsentPurpose.PROMOTIONAL, ""))
    if known is None or known.action is not ConsentAction.WITHDRAWN:
        _record(
            session,
            token,
            contact.id,
            purpose=ConsentPurpose.PROMOTIONAL,
            action=ConsentAction.WITHDRAWN,
            source=source,
            now=now,
        )
    return contact.id


def set_preferences(
    session: Session,
    *,
    token: PreferenceToken,
    wants: Mapping[ConsentPurpose, bool],
    wording: str,
    wording_version: str,
    now: datetime,
) -> Preferences:
    """Record what the person chose, only where it differs; `wording` is the sentence they saw beside the choice."""
    before = preferences(session, token=token)
    for purpose, wanted in wants.items():
        if purpose in CHOICES and before.wants[purpose] is not wanted:
            action = ConsentAction.GRANTED if wanted else ConsentAction.WITHDRAWN
            _record(
                session,
                token,
                before.contact_id,
                purpose=purpose,
                action=action,
                source="preference_page",
                wording=wording,
                wording_version=wording_version,
                now=now,
            )
    return preferences(session, token=token)


def said_no(
    session: Session,
    actor: Actor,
    *,
    channel: ChannelKind,
    contact_id: UUID | None,
    handle_id: UUID | None,
    source: str,
    wording: str = "",
    now: datetime,
) -> None:
    """A person told one of us that they want nothing more on this channel; a stranger's address is suppressed.

    Answers to what they write stay possible. `source` says how they told it, `wording` with which words.
    """
    if contact_id is None:
        handle = session.get(Handle, handle_id) if handle_id else None
        if handle is not None:
            consent.suppress(
                session,
                actor,
                channel=channel,
                address_norm=handle.address_norm,
                reason=SuppressionReason.ASKED,
                now=now,
            )
        return
    for purpose in CHOICES:
        consent.record(
            session,
            actor,
            contact_id=contact_id,
            purpose=purpose,
            channel=channel,
            action=ConsentAction.WITHDRAWN,
            basis=Basis.CONSENT,
            source=source,
            wording=wording[:200],
            happened_at=now,
            now=now,
        )


def _record(
    session: Session,
    token: PreferenceToken,
    contact_id: UUID,
    *,
    purpose: ConsentPurpose,
    action: ConsentAction,
    source: str,
    wording: str = "",
    wording_version: str = "",
    now: datetime,
) -> None:
    consent.record(
        session,
        member_actor(token),
        contact_id=contact_id,
        purpose=purpose,
        channel=None,
        action=action,
        basis=Basis.CONSENT,
        source=source,
        wording=wording,
        wording_version=wording_version,
        happened_at=now,
        now=now,
    )
