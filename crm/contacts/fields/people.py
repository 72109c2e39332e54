"""Owns what rules can ask about a person, their tags, links and addresses."""

from typing import Any, Final

from crm.channels.base import ChannelKind
from crm.contacts.fields.choices import (
    CHANNELS,
    COUNTRIES,
    IMPORTANCES,
    LANGUAGES,
    LIFECYCLES,
    load_owners,
    load_tags,
)
from crm.contacts.fields.facts import fact
from crm.contacts.kinds import HandleState
from crm.contacts.models import Contact, ContactLink, ContactTag, Handle
from crm.filters import sources
from crm.filters.catalogue import Ask, Field
from crm.filters.schema import Op
from crm.filters.values import FieldType
from crm.web.i18n import lazy as _

_TAGS = sources.Rows(ContactTag.__table__, ContactTag.contact_id, ContactTag.workspace_id)
_LINKS = sources.Rows(ContactLink.__table__, ContactLink.contact_id, ContactLink.workspace_id)
_LINKS_BACK = sources.Rows(ContactLink.__table__, ContactLink.other_id, ContactLink.workspace_id)
_USABLE = sources.Rows(
    Handle.__table__,
    Handle.contact_id,
    Handle.workspace_id,
    lambda _ask: [Handle.deleted_at.is_(None), Handle.state == HandleState.ACTIVE],
)
_EMAILS = sources.Rows(
    Handle.__table__,
    Handle.contact_id,
    Handle.workspace_id,
    lambda _ask: [Handle.deleted_at.is_(None), Handle.channel == ChannelKind.EMAIL],
)


def _linked(ask: Ask) -> Any:
    """Links have two ends; the question is asked from both."""
    there = sources.any_row(_LINKS, ContactLink.other_id)(ask)
    back = sources.any_row(_LINKS_BACK, ContactLink.contact_id)(ask)
    return there | back


_PERSON: Final = _("Person")
_REACH: Final = _("Addresses")

FIELDS: Final = (
    Field(
        "first_name",
        FieldType.TEXT,
        _("First name"),
        _PERSON,
        _("whose first name"),
        sources.column(Contact.first_name_norm),
        fact("first_name"),
        icon="user",
    ),
    Field(
        "last_name",
        FieldType.TEXT,
        _("Last name"),
        _PERSON,
        _("whose last name"),
        sources.column(Contact.last_name_norm),
        fact("last_name"),
        icon="user",
    ),
    Field(
        "job_title",
        FieldType.TEXT,
        _("Job title"),
        _PERSON,
        _("whose job title"),
        sources.column(Contact.title_norm),
        fact("job_title"),
        icon="id-badge-2",
    ),
    Field(
        "lifecycle",
        FieldType.CHOICE,
        _("Stage"),
        _PERSON,
        _("whose stage"),
        sources.column(Contact.lifecycle),
        fact("lifecycle"),
        LIFECYCLES,
        operators=(Op.ANY_OF, Op.NONE_OF, Op.IS, Op.IS_NOT),
        icon="stairs",
    ),
    Field(
        "importance",
        FieldType.CHOICE,
        _("Importance"),
        _PERSON,
        _("whose importance"),
        sources.column(Contact.importance),
        fact("importance"),
        IMPORTANCES,
        operators=(Op.ANY_OF, Op.NONE_OF, Op.IS, Op.IS_NOT),
        icon="star",
    ),
    Field(
        "owner",
        FieldType.CHOICE,
        _("Owner"),
        _PERSON,
        _("whose owner"),
        sources.column(Contact.owner_id),
        fact("owner"),
        load_owners,
        phrases={Op.NO_VALUE: _("whom nobody owns"), Op.HAS_VALUE: _("whom somebody owns")},
        icon="user-check",
    ),
    # Whoever may not see restricted people finds none by it: every list holds only whom its reader may see.
    Field(
        "restricted",
        FieldType.BOOLEAN,
        _("Restricted"),
        _PERSON,
        _("who are restricted"),
        sources.column(Contact.restricted),
        fact("restricted"),
        phrases={Op.IS: _("who are restricted"), Op.IS_NOT: _("who are not restricted")},
        icon="lock",
    ),
    Field(
        "processing_limited",
        FieldType.BOOLEAN,
        _("Processing limited"),
        _PERSON,
        _("whose data are only kept"),
        lambda _ask: Contact.limited_at.is_not(None),
        fact("processing_limited"),
        phrases={Op.IS: _("whose data are only kept"), Op.IS_NOT: _("whose data may be processed")},
        icon="player-pause",
    ),
    Field(
        "tag",
        FieldType.MULTI,
        _("Tag"),
        _PERSON,
        _("whose tags"),
        sources.any_row(_TAGS, ContactTag.tag_id),
        fact("tags"),
        load_tags,
        phrases={
            Op.ANY_OF: _("with the tag %(value)s"),
            Op.ALL_OF: _("with the tags %(value)s"),
            Op.NONE_OF: _("without the tag %(value)s"),
            Op.HAS_VALUE: _("with a tag"),
            Op.NO_VALUE: _("without any tag"),
        },
        icon="tag",
    ),
    Field(
        "city",
        FieldType.TEXT,
        _("City"),
        _PERSON,
        _("whose city"),
        sources.column(Contact.city_norm),
        fact("city"),
        phrases={Op.IS: _("in %(value)s"), Op.ANY_OF: _("in %(value)s")},
        icon="map-pin",
    ),
    Field(
        "country",
        FieldType.CHOICE,
        _("Country"),
        _PERSON,
        _("whose country"),
        sources.column(Contact.country),
        fact("country"),
        COUNTRIES,
        icon="world",
    ),
    Field(
        "language",
        FieldType.CHOICE,
        _("Language"),
        _PERSON,
        _("whose language"),
        sources.column(Contact.language),
        fact("language"),
        LANGUAGES,
        icon="language",
    ),
    Field(
        "birthday",
        FieldType.ANNIVERSARY,
        _("Birthday"),
        _PERSON,
        _("whose birthday"),
        sources.anniversary(Contact.birth_month, Contact.birth_day),
        fact("birthday"),
        icon="cake",
    ),
    Field(
        "added",
        FieldType.DATETIME,
        _("Date added"),
        _PERSON,
        _("whose date of entry"),
        sources.column(Contact.created_at),
        fact("added"),
        operators=(Op.IN_LAST, Op.NOT_IN_LAST, Op.ON, Op.BEFORE, Op.AFTER, Op.BETWEEN),
        phrases={
            Op.IN_LAST: _("added in the last %(value)s"),
            Op.NOT_IN_LAST: _("not added in the last %(value)s"),
            Op.BEFORE: _("added before %(value)s"),
            Op.AFTER: _("added after %(value)s"),
            Op.ON: _("added on %(value)s"),
            Op.BETWEEN: _("added between %(value)s"),
        },
        icon="calendar-plus",
    ),
    Field(
        "linked_to",
        FieldType.CONTACT,
        _("Knows"),
        _PERSON,
        _("who know"),
        _linked,
        fact("linked_to"),
        phrases={
            Op.ANY_OF: _("linked with %(value)s"),
            Op.NONE_OF: _("not linked with %(value)s"),
            Op.HAS_VALUE: _("linked with somebody"),
            Op.NO_VALUE: _("linked with nobody"),
        },
        icon="link",
    ),
    Field(
        "channel",
        FieldType.MULTI,
        _("Can be reached by"),
        _REACH,
        _("whose channels"),
        sources.any_row(_USABLE, Handle.channel),
        fact("channels"),
        CHANNELS,
        phrases={
            Op.ANY_OF: _("with a working address for %(value)s"),
            Op.ALL_OF: _("with working addresses for %(value)s"),
            Op.NONE_OF: _("without a working address for %(value)s"),
            Op.HAS_VALUE: _("with a working address"),
            Op.NO_VALUE: _("without any working address"),
        },
        icon="send",
    ),
    Field(
        "email",
        FieldType.TEXT,
        _("E-mail address"),
        _REACH,
        _("whose e-mail address"),
        sources.any_row(_EMAILS, Handle.address_norm),
        fact("emails"),
        icon="mail",
    ),
)
