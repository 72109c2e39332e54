"""Creates users and changes what is theirs: name, language, zone, theme, password."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.credentials import NewPassword
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.accounts.services import audit, browsers
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.clock import UnknownZoneError, zone
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError, worded

LOCALES = ("en", "it")
THEMES = ("auto", "light", "dark")


class AddressTakenError(ConflictError):
    """Another user has this address."""

    code = "address_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInput:
    """What a person may change about themselves; None leaves a value as it is."""

    name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    theme: str | None = None


def normal_address(email: str) -> tuple[str, str]:
    """(as written, as compared) of an e-mail address; raises `InvalidInputError` with the field `email`."""
    try:
        address = normalise(ChannelKind.EMAIL, email)
    except AddressError as error:
        message = worded("This is not an e-mail address.")
        raise InvalidInputError(message, code="bad_email", fields={"email": message}) from error
    return address.address, address.address_norm


def create(session: Session, *, email: str, name: str, password: NewPassword | None, locale: str = "") -> User:
    """A new user, not yet in any workspace; raises `AddressTakenError` or `InvalidInputError`."""
    written, compared = normal_address(email)
    _checked_name(name)
    if session.scalar(select(User.id).where(User.email_norm == compared)) is not None:
        message = worded("Somebody with this address is already here.")
        raise AddressTakenError(message, fields={"email": message})
    user = User(
        email=written,
        email_norm=compared,
        name=name.strip(),
        password=password.hashed if password else None,
        fs_uniquifier=new_id().hex,
        locale=locale if locale in LOCALES else "",
        time_zone="",
        theme="auto",
        active=True,
    )
    session.add(user)
    session.flush()
    return user


def change_profile(session: Session, actor: Actor, *, user: User, changes: ProfileInput) -> User:
    """Change one's own profile; raises `InvalidInputError` naming the field."""
    before = {name: getattr(user, name) for name in ("name", "locale", "time_zone", "theme")}
    if changes.name is not None:
        user.name = _checked_name(changes.name)
    if changes.locale is not None:
        user.locale = _one_of("locale", changes.locale, (*LOCALES, ""))
    if changes.theme is not None:
        user.theme = _one_of("theme", changes.theme, THEMES)
    if changes.time_zone is not None:
        user.time_zone = checked_zone(changes.time_zone) if changes.time_zone else ""
    old, new = audit.changes(before, {name: getattr(user, name) for name in before})
    if new:
        audit.record(
            session, actor, action="user.changed", object_kind="user", object_id=user.id, before=old, after=new
        )
    return user


def change_password(session: Session, actor: Actor, *, user: User, password: NewPassword, now: datetime) -> User:
    """Set a new password and end every browser of the user, this one too: the caller signs it in anew."""
    set_password(session, user=user, password=password, now=now)
    audit.record(session, actor, action="user.password_changed", object_kind="user", object_id=user.id)
    return user


def set_password(session: Session, *, user: User, password: NewPassword, now: datetime) -> None:
    """Store the password, make older cookies worthless and end all browsers."""
    user.password = password.hashed
    user.fs_uniquifier = new_id().hex
    browsers.end_all(session, user_id=user.id, now=now)
    session.flush()


def checked_zone(name: str) -> str:
    """`name` when it is an IANA zone; raises `InvalidInputError` with the field `time_zone`."""
    try:
        zone(name)
    except UnknownZoneError as error:
        message = worded("There is no time zone with this name.")
        raise InvalidInputError(message, code="bad_time_zone", fields={"time_zone": message}) from error
    return name


def _checked_name(name: str) -> str:
    found = name.strip()
    if not found or len(found) > 120 or any(ord(sign) < 32 for sign in found):  # noqa: PLR2004 - a line of print.
        message = worded("Write a name of up to 120 letters.")
        raise InvalidInputError(message, code="bad_name", fields={"name": message})
    return found


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        message = worded("Choose one of the offered values.")
        raise InvalidInputError(message, code="bad_choice", fields={field: message})
    return value
