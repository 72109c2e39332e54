"""Owns the choices of contact fields in words: stages, importance, kinds of company, channels, languages, people."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from babel import Locale
from flask_babel import LazyString, get_locale
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.models import Membership, User
from crm.channels.base import ChannelKind
from crm.contacts.kinds import CompanyKind, Importance, Lifecycle
from crm.contacts.models import Tag
from crm.filters.values import Choice
from crm.web.i18n import lazy as _

LIFECYCLES: Final = (
    Choice(Lifecycle.FOLLOWER, _("Follower")),
    Choice(Lifecycle.LEAD, _("Lead")),
    Choice(Lifecycle.PROSPECT, _("Prospect")),
    Choice(Lifecycle.CUSTOMER, _("Customer")),
    Choice(Lifecycle.PARTNER, _("Partner")),
    Choice(Lifecycle.AMBASSADOR, _("Ambassador")),
    Choice(Lifecycle.PRESS, _("Press")),
    Choice(Lifecycle.PAST, _("Past")),
)
IMPORTANCES: Final = (
    Choice(Importance.KEY, _("Key person")),
    Choice(Importance.HIGH, _("High")),
    Choice(Importance.NORMAL, _("Normal")),
)
COMPANY_KINDS: Final = (
    Choice(CompanyKind.PROSPECT, _("Prospect")),
    Choice(CompanyKind.CUSTOMER, _("Customer")),
    Choice(CompanyKind.PARTNER, _("Partner")),
    Choice(CompanyKind.COMPETITOR, _("Competitor")),
    Choice(CompanyKind.PRESS, _("Press")),
)
CHANNELS: Final = (
    Choice(ChannelKind.EMAIL, _("E-mail")),
    Choice(ChannelKind.PHONE, _("Phone")),
    Choice(ChannelKind.SMS, "SMS"),
    Choice(ChannelKind.WHATSAPP, "WhatsApp"),
    Choice(ChannelKind.TELEGRAM, "Telegram"),
    Choice(ChannelKind.INSTAGRAM, "Instagram"),
    Choice(ChannelKind.MESSENGER, "Messenger"),
    Choice(ChannelKind.LINKEDIN, "LinkedIn"),
    Choice(ChannelKind.X, "X"),
    Choice(ChannelKind.MASTODON, "Mastodon"),
    Choice(ChannelKind.BLUESKY, "Bluesky"),
    Choice(ChannelKind.WEBHOOK, "Webhook"),
)


def _named(kind: str, code: str) -> LazyString:
    """The name of a language or country in the reader's language."""
    return LazyString(lambda: getattr(get_locale() or Locale("en"), kind).get(code, code))


LANGUAGES: Final = tuple(
    Choice(code, _named("languages", code))
    for code in ("it", "en", "fr", "de", "es", "pt", "nl", "pl", "ro", "sq", "zh")
)
COUNTRIES: Final = tuple(
    Choice(code, _named("territories", code))
    for code in sorted(Locale("en").territories)
    if len(code) == 2 and code.isalpha() and code not in {"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO"}  # noqa: PLR2004
)


def load_owners(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The people who work in the workspace, by name."""
    rows = session.execute(
        select(User.id, User.name, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workspace_id, Membership.ended_at.is_(None))
        .order_by(User.name, User.email)
    )
    return [Choice(str(row.id), row.name or row.email) for row in rows]


def load_tags(session: Session, workspace_id: UUID) -> Sequence[Choice]:
    """The tags of the workspace, by name."""
    rows = session.execute(select(Tag.id, Tag.name).where(Tag.workspace_id == workspace_id).order_by(Tag.name_norm))
    return [Choice(str(row.id), row.name) for row in rows]
