"""Sender accounts: their credentials go in and never come out."""

import pytest
from factories import outreach
from sqlalchemy import select

from crm.accounts.models import AuditDetail, AuditEntry
from crm.db import new_id
from crm.errors import ConflictError
from crm.outreach import queries, services
from crm.outreach.adapters import spec_of
from crm.outreach.models import Message, SenderAccount
from crm.outreach.secrets import SecretError


def test_credentials_are_encrypted_and_reach_the_adapter_only(desk):
    services.set_secret(desk.session, desk.actor, account_id=desk.account.id, secret={"secret": "pass-word"})
    row = desk.session.get_one(SenderAccount, desk.account.id, populate_existing=True)
    assert b"pass-word" not in row.secret
    spec = spec_of(row)
    assert spec.adapter.secret == {"secret": "pass-word"}
    assert "pass-word" not in repr(spec)


def test_the_log_says_who_made_changed_and_retired_an_account_and_no_password(desk, now):
    data = {"name": "Shop", "address": "shop@lanterna.example.com", "host": "mail.example.com"}
    made = services.create_account(desk.session, desk.actor, data=services.AccountInput(**data), now=now)
    moved = services.AccountInput(**data | {"host": "elsewhere.example.net"})
    services.update_account(desk.session, desk.actor, account_id=made.id, data=moved)
    services.set_secret(desk.session, desk.actor, account_id=made.id, secret={"secret": "pass-word"})
    services.pause_account(desk.session, desk.actor, account_id=made.id)
    services.resume_account(desk.session, desk.actor, account_id=made.id)
    services.delete_account(desk.session, desk.actor, account_id=made.id, now=now)
    told = desk.session.execute(
        select(AuditEntry.action, AuditDetail.before, AuditDetail.after)
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.object_id == made.id, AuditEntry.user_id == desk.actor.user_id)
        .order_by(AuditEntry.id)
    ).all()
    assert [action.removeprefix("sender.") for action, _, _ in told] == [
        "created", "changed", "credentials_changed", "paused", "resumed", "deleted",
    ]  # fmt: skip
    assert told[0].after["address"] == "shop@lanterna.example.com"
    assert (told[1].before, told[1].after) == ({"host": "mail.example.com"}, {"host": "elsewhere.example.net"})
    assert "pass-word" not in str(told)


def test_credentials_of_another_row_can_not_be_used(desk, now):
    services.set_secret(desk.session, desk.actor, account_id=desk.account.id, secret={"secret": "x"})
    other = outreach.account(desk.session, desk.actor, "Other", now=now)
    other.secret = desk.session.get_one(SenderAccount, desk.account.id).secret
    with pytest.raises(SecretError):
        spec_of(other)


def test_a_new_password_lets_a_held_account_go_on(desk, now):
    account = desk.session.get_one(SenderAccount, desk.account.id)
    account.state, account.hold_reason = "held", "auth_535"
    desk.session.flush()
    services.set_secret(desk.session, desk.actor, account_id=account.id, secret={"secret": "new"})
    health = queries.account_health(desk.session, desk.actor, account_id=account.id, now=now)
    assert (health.state, health.problem) == ("active", "")


def test_a_change_made_meanwhile_is_not_overwritten(desk):
    data = services.AccountInput(name="Sales", address="sales@lanterna.example.com", host="mail.example.com")
    with pytest.raises(ConflictError):
        services.update_account(desk.session, desk.actor, account_id=desk.account.id, data=data, expected_version=9)
    changed = services.update_account(
        desk.session, desk.actor, account_id=desk.account.id, data=data, expected_version=desk.account.version
    )
    assert changed.config["host"] == "mail.example.com"


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "no address"},
        {"host": ""},
        {"port": 0},
        {"per_day": 0},
        {"time_zone": "Mars/Olympus"},
        {"name": "a\nb"},
        {"surprise": 1},
    ],
)
def test_a_wrong_description_is_refused(fields):
    right = {"name": "Sales", "address": "a@example.com", "host": "mail.example.com"}
    services.AccountInput(**right)
    with pytest.raises(ValueError):
        services.AccountInput(**(right | fields))


def test_what_waits_on_a_deleted_account_is_held(desk, now):
    message = outreach.message(desk.session, desk.actor, desk.contact_id, now=now)
    assert services.delete_account(desk.session, desk.actor, account_id=desk.account.id, now=now) == 1
    held = desk.session.execute(select(Message.state, Message.reason).where(Message.id == message.id)).one()
    assert tuple(held) == ("held", "no_account")
    assert queries.accounts(desk.session, desk.actor) == []


def test_an_unknown_account_does_not_exist(desk):
    with pytest.raises(services.AccountNotFoundError):
        services.pause_account(desk.session, desk.actor, account_id=new_id())
