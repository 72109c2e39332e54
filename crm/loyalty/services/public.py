"""Opens an offer for whoever holds its code, and looks the same for every code that gives nothing."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm.accounts.models import Throttle, Workspace
from crm.accounts.rules import Limit
from crm.accounts.services import audit, throttle
from crm.contacts.models import Contact
from crm.db import aside, enter_workspace
from crm.errors import NotFoundError, worded
from crm.loyalty.errors import TooManyGuessesError
from crm.loyalty.models import Offer, Voucher
from crm.loyalty.queries.offers import VoucherView, used_by_holder, voucher_view
from crm.loyalty.rules.codes import read_code

PER_STRANGER = Limit(free=30, first_block=900, longest_block=3600, window=3600)


class NothingHereError(NotFoundError):
    """Wrong, used, expired, withdrawn, not yet: strangers get this one answer."""

    code = "nothing_here"


@dataclass(frozen=True, slots=True)
class PublicOffer:
    """An offer as its holder sees it."""

    workspace_name: str
    language: str
    """The holder's language, empty when it is not known."""
    voucher: VoucherView


def public_offer(session: Session, *, code: str, now: datetime) -> PublicOffer:
    """The offer behind a code that can be redeemed now; enters its workspace.

    Raises `NothingHereError` alike for everything else, `TooManyGuessesError` after too many unknown codes.
    """
    plain = read_code(code)
    if plain is None:
        raise NothingHereError(_NOTHING)
    key = _key(session)
    if session.scalar(select(Throttle.key).where(Throttle.key == key, Throttle.blocked_until > now)):
        raise TooManyGuessesError(worded("Too many wrong codes. Wait a quarter of an hour."))
    workspace_id = session.scalar(text("select public.crm_voucher_workspace(:code)"), {"code": plain})
    if workspace_id is None:
        with suppress(throttle.BlockedError), aside(session) as other:
            throttle.take(other, key=key, limit=PER_STRANGER, now=now)
        raise NothingHereError(_NOTHING)
    enter_workspace(session, workspace_id)
    voucher, offer, language = session.execute(
        select(Voucher, Offer, Contact.language)
        .join(Offer, Offer.id == Voucher.offer_id)
        .outerjoin(Contact, Contact.id == Voucher.contact_id)
        .where(Voucher.code == plain)
    ).one()
    seen = voucher_view(voucher, offer, used=used_by_holder(session, voucher), now=now)
    if seen.refusal is not None:
        raise NothingHereError(_NOTHING)
    return PublicOffer(session.get_one(Workspace, workspace_id).name, language or "", seen)


_NOTHING = worded("This code gives nothing now. Ask who gave it to you.")


def _key(session: Session) -> str:
    origin: audit.Origin | None = session.info.get("origin")
    digest = hashlib.sha256((origin.ip if origin else "").encode()).hexdigest()[:32]
    return f"voucher:stranger:{digest}"
