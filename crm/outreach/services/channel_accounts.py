"""Owns accounts of channels whose set-up the channel itself describes: bots, numbers and webhooks."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.base import ChannelKind
from crm.channels.registry import SETUPS
from crm.channels.sentences import N_
from crm.channels.setup import ChannelSetup, Setting
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.outreach.models import SenderAccount
from crm.outreach.services.accounts import load, set_secret
from crm.outreach.services.cursors import ask_from_the_beginning

MAX_NAME: Final = 80
MAX_ADDRESS: Final = 320


def setup_of(channel: ChannelKind) -> ChannelSetup:
    """What an account of the channel asks for; raises `InvalidInputError` where nothing can be set up."""
    setup = SETUPS.get(channel)
    if setup is None:
        raise InvalidInputError(N_("There is no account to set up on this channel."), code="no_setup")
    return setup


def save_channel_account(
    session: Session,
    actor: Actor,
    *,
    channel: ChannelKind,
    account_id: UUID | None = None,
    name: str,
    address: str,
    settings: Mapping[str, str],
    now: datetime,
) -> SenderAccount:
    """Make or change an account from what its channel asks for; secrets are encrypted, an empty one stays as it is.

    Raises `InvalidInputError` with a sentence beside each field that is missing or malformed.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    setup = setup_of(channel)
    account = None if account_id is None else load(session, account_id, lock=True)
    if account is not None and account.channel != channel:
        raise ConflictError(N_("This account belongs to another channel."), code="other_channel")
    given = {key: value.strip() for key, value in settings.items()}
    _check(setup, name=name, address=address, given=given, is_new=account is None)
    config = {one.name: given.get(one.name, "") or one.default for one in setup.settings if not one.is_secret}
    if account is None:
        account = SenderAccount(
            id=new_id(),
            channel=channel.value,
            name=name.strip(),
            address=address.strip(),
            config=config,
            per_minute=setup.per_minute,
            created_at=now,
        )
        session.add(account)
        action = "sender.created"
    else:
        account.name, account.address = name.strip(), address.strip()
        account.config = {**account.config, **config}
        action = "sender.changed"
    session.flush()
    told = {"name": account.name, "address": account.address}
    audit.record(session, actor, action=action, object_kind="sender_account", object_id=account.id, after=told)
    secret = {one.name: given[one.name] for one in setup.settings if one.is_secret and given.get(one.name)}
    if secret:
        set_secret(session, actor, account_id=account.id, secret=secret)
        ask_from_the_beginning(session, account_id=account.id, now=now)
    return account


def _check(setup: ChannelSetup, *, name: str, address: str, given: Mapping[str, str], is_new: bool) -> None:
    """Every field at once; a secret that is kept already may stay empty."""
    fields: dict[str, str] = {}
    if not name.strip():
        fields["name"] = N_("Give it a name.")
    elif len(name) > MAX_NAME:
        fields["name"] = N_("This is too long.")
    if setup.address_label and not address.strip():
        fields["address"] = N_("This is needed.")
    elif len(address) > MAX_ADDRESS:
        fields["address"] = N_("This is too long.")
    for one in setup.settings:
        problem = _problem(one, given.get(one.name, "") or one.default, is_kept=one.is_secret and not is_new)
        if problem:
            fields[one.name] = problem
    if fields:
        raise InvalidInputError(next(iter(fields.values())), fields=fields)


def _problem(setting: Setting, value: str, *, is_kept: bool) -> str:
    """What is wrong with the value of one setting, '' for nothing."""
    if not value:
        return N_("This is needed.") if setting.is_required and not is_kept else ""
    if len(value) > setting.max_length:
        return N_("This is too long.")
    if re.fullmatch(setting.pattern, value) is None:
        return N_("This does not look right: copy it again, whole and without spaces.")
    return ""
