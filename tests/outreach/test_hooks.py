"""The door for platforms: proven before it is read, stored once, answered at once, and silent to strangers."""

import json
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from channels.fakes import telegram, webhook, whatsapp
from sqlalchemy import select

from crm.accounts.rules import system_actor
from crm.channels.base import ChannelKind
from crm.contacts.models import Handle
from crm.db import database_now, enter_workspace, new_id
from crm.jobs import JobName
from crm.outreach import services
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.models import Message, SenderAccount
from crm.outreach.setup import keyring

K = ChannelKind
SECRETS = {
    K.TELEGRAM: {"token": telegram.TOKEN, "webhook_secret": "s3cret"},
    K.WHATSAPP: {
        "token": whatsapp.TOKEN,
        "app_secret": whatsapp.APP_SECRET,
        "verify_token": whatsapp.VERIFY_TOKEN,
    },
    K.WEBHOOK: {"secret": webhook.SECRET, "send_secret": webhook.SECRET},
}


def account(session, actor, channel: ChannelKind, **more) -> SenderAccount:
    """A live account of a channel whose platform calls us."""
    made = SenderAccount(
        id=new_id(),
        workspace_id=actor.workspace_id,
        channel=channel.value,
        name=channel.value,
        config={"phone_number_id": whatsapp.NUMBER_ID, "url": "https://hooks.example/in"},
        **more,
    )
    made.secret = keyring().seal(SECRETS[channel], workspace_id=actor.workspace_id, row_id=made.id)
    session.add(made)
    session.flush()
    return made


def delivery(channel: ChannelKind, now: datetime, *, number: int = 1) -> tuple[bytes, dict[str, str]]:
    """A delivery of one message of Ada's, with its proof."""
    if channel is K.TELEGRAM:
        update = telegram.FakeTelegram().write()
        update["update_id"] = number
        update["message"]["message_id"] = number
        return json.dumps(update).encode(), {"x-telegram-bot-api-secret-token": "s3cret"}
    if channel is K.WHATSAPP:
        value = {"contacts": [whatsapp.author()], "messages": [whatsapp.message(f"wamid.{number}")]}
        body = whatsapp.delivery(value)
        return body, whatsapp.signed(body)
    body = webhook.event(id=f"m-{number}")
    return body, webhook.signed(body, name=f"msg_{number}", at=now)


def knock(client, made: SenderAccount, body: bytes, headers: dict[str, str], *, channel: str = "", **more):
    address = f"/hooks/{channel or made.channel}/{made.public_id}"
    return client.post(address, data=body, headers=headers, **{"content_type": "application/json", **more})


def stored(session, actor) -> list[InboundEvent]:
    enter_workspace(session, actor.workspace_id)
    session.expire_all()
    return list(session.scalars(select(InboundEvent).order_by(InboundEvent.id)))


@pytest.fixture
def at(session):
    return database_now(session)


@pytest.fixture
def client(app):
    """Somebody who is signed in nowhere."""
    return app.test_client()


@pytest.mark.parametrize("channel", SECRETS)
def test_a_proven_delivery_is_stored_as_it_came_and_a_worker_is_woken(client, session, actor, jobs, at, channel):
    made = account(session, actor, channel)
    body, headers = delivery(channel, at)
    assert knock(client, made, body, headers).status_code == 200
    (event,) = stored(session, actor)
    assert event.state == "stored"
    raw = session.scalars(select(InboundRaw.raw)).one()
    assert raw == body if channel is not K.WHATSAPP else b"wamid.1" in raw
    assert [(name, ids["account_id"]) for name, ids in jobs.rung] == [(JobName.RECEIVE, made.id)]
    message = services.handle_inbound(session, system_actor(actor.workspace_id), event_id=event.id, now=at)
    assert message is not None
    assert session.get_one(Handle, message.handle_id).display_name == "Ada Rossi"


@pytest.mark.parametrize("channel", SECRETS)
def test_a_replay_has_one_effect(client, session, actor, jobs, at, channel):
    made = account(session, actor, channel)
    body, headers = delivery(channel, at)
    assert [knock(client, made, body, headers).status_code for _ in range(3)] == [200, 200, 200]
    assert len(stored(session, actor)) == 1
    assert len(jobs.rung) == 1
    other, other_headers = delivery(channel, at, number=2)
    knock(client, made, other, other_headers)
    for event in stored(session, actor):
        services.handle_inbound(session, system_actor(actor.workspace_id), event_id=event.id, now=at)
    assert len(session.scalars(select(Message)).all()) == 2


@pytest.mark.parametrize("channel", SECRETS)
def test_whatever_is_wrong_before_the_proof_looks_the_same(client, session, actor, other_house, at, channel):
    made = account(session, actor, channel)
    body, headers = delivery(channel, at)
    gone = account(session, actor, channel, deleted_at=at)
    elsewhere = next(one for one in SECRETS if one is not channel)
    nobody = SenderAccount(channel=channel.value, public_id=uuid4())
    answers = [
        knock(client, made, body, {}),
        knock(client, made, body, {name: value[:-2] + "xx" for name, value in headers.items()}),
        knock(client, made, body, headers, channel=elsewhere.value),
        knock(client, made, body, headers, channel="email"),
        knock(client, made, body, headers, channel="nonsense"),
        knock(client, gone, body, headers),
        knock(client, nobody, body, headers),
    ]
    if channel is not K.TELEGRAM:
        answers.append(knock(client, made, body + b" ", headers))
    assert {(one.status_code, one.data) for one in answers} == {(403, b"")}
    assert stored(session, actor) == []


@pytest.mark.parametrize("channel", SECRETS)
def test_the_proof_of_another_workspace_opens_nothing(client, session, actor, other_house, at, channel):
    enter_workspace(session, other_house.actor.workspace_id)
    theirs = account(session, other_house.actor, channel)
    theirs.secret = keyring().seal(
        {name: f"{value}x" for name, value in SECRETS[channel].items()},
        workspace_id=other_house.actor.workspace_id,
        row_id=theirs.id,
    )
    session.flush()
    enter_workspace(session, actor.workspace_id)
    account(session, actor, channel)
    body, headers = delivery(channel, at)
    assert knock(client, theirs, body, headers).status_code == 403
    assert stored(session, actor) == stored(session, other_house.actor) == []


def test_a_paused_account_hears(client, session, actor, at):
    made = account(session, actor, K.TELEGRAM, state="paused")
    assert knock(client, made, *delivery(K.TELEGRAM, at)).status_code == 200


def test_a_body_that_is_too_big_is_refused_unread(client, session, actor, at):
    made = account(session, actor, K.TELEGRAM)
    _body, headers = delivery(K.TELEGRAM, at)
    for kind in ("application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        assert knock(client, made, b"x" * (10 * 1024 * 1024), headers, content_type=kind).status_code == 413
    assert stored(session, actor) == []


def test_a_proven_delivery_in_another_form_is_refused_by_name(client, session, actor, at):
    made = account(session, actor, K.TELEGRAM)
    body, headers = delivery(K.TELEGRAM, at)
    assert knock(client, made, body, headers, content_type="text/plain").status_code == 415
    assert stored(session, actor) == []


def test_an_old_delivery_is_refused(client, session, actor, at):
    made = account(session, actor, K.WEBHOOK)
    body = webhook.event()
    for moved in (timedelta(minutes=6), -timedelta(minutes=6)):
        assert knock(client, made, body, webhook.signed(body, at=at + moved)).status_code == 403


def test_a_platform_that_asks_whether_we_are_there_is_answered_with_its_word(client, session, actor):
    made = account(session, actor, K.WHATSAPP)
    address = f"/hooks/whatsapp/{made.public_id}"
    asked = {"hub.mode": "subscribe", "hub.challenge": "<b>42</b>", "hub.verify_token": whatsapp.VERIFY_TOKEN}
    answer = client.get(address, query_string=asked)
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "<b>42</b>", "text/plain")
    wrong = client.get(address, query_string={**asked, "hub.verify_token": "x"})
    nobody = client.get(f"/hooks/whatsapp/{uuid4()}", query_string=asked)
    other = client.get(f"/hooks/telegram/{account(session, actor, K.TELEGRAM).public_id}", query_string=asked)
    assert {(one.status_code, one.data) for one in (wrong, nobody, other)} == {(403, b"")}


def test_credentials_that_can_not_be_read_ask_for_another_try(client, session, actor, at):
    made = account(session, actor, K.TELEGRAM)
    made.secret = b"\x01" + b"x" * 60
    session.flush()
    body, headers = delivery(K.TELEGRAM, at)
    assert knock(client, made, body, headers).status_code == 503
    assert client.get(f"/hooks/telegram/{made.public_id}").status_code == 503


PRIVATE = (
    b'{"update_id": 8, "message": {"message_id": 1, "chat": {"type": "private"}, "from": {"id": 5}, "text": "%s"}}'
)
HOSTILE = [
    b"",
    b"null",
    b"7",
    b"[]",
    b"{}",
    b"\x00",
    b"\xff\xfe\xfd",
    b'{"a":' * 20_000,
    b"[" * 200_000,
    b'{"update_id": "x", "message": 7}',
    b'{"update_id": 1e999, "message": {"from": {"id": -1}}}',
    b'{"update_id": 9, "message": {"message_id": 1, "from": {"id": "' + b"4" * 5000 + b'"}, "text": "x"}}',
    PRIVATE % b"\\u0000",
    PRIVATE % b"\\ud800",
    b'{"entry": [{"changes": [{"field": "messages", "value": {"messages": [7, null, {}]}}]}]}',
    b'{"entry": [{"changes": [{"field": "messages", "value": {"statuses": [{"id": 4, "status": "lost"}]}}]}]}',
    b'{"type": "message.received", "data": {"from": {"id": "a\\u0000b"}, "text": "x"}}',
    b'{"type": "message.received", "data": {"id": "\\ud800", "from": {"id": "u"}, "text": "x"}}',
    b'{"type": "message.received", "data": {"id": "1", "from": {"id": "' + b"u" * 3000 + b'"}, "text": "x"}}',
    b'{"type": "message.received", "timestamp": "9999-12-31T23:59-23:59", "data": {"from": {"id": "u"}, "text": "x"}}',
    b'{"type": "message.received", "timestamp": "1969-01-01", "data": {"id": [], "from": {"id": true}, "text": "x"}}',
]


@pytest.mark.parametrize("channel", SECRETS)
def test_what_is_proven_but_mad_is_kept_and_harms_nothing(client, session, actor, at, channel):
    made = account(session, actor, channel)
    for number, body in enumerate(HOSTILE):
        headers = {
            K.TELEGRAM: lambda _body, _n: {"x-telegram-bot-api-secret-token": "s3cret"},
            K.WHATSAPP: lambda body, _n: whatsapp.signed(body),
            K.WEBHOOK: lambda body, n: webhook.signed(body, name=f"h{n}", at=at),
        }[channel](body, number)
        assert knock(client, made, body, headers).status_code == 200, body[:80]
    for event in stored(session, actor):
        services.handle_inbound(session, system_actor(actor.workspace_id), event_id=event.id, now=at)
        assert session.get_one(InboundEvent, event.id, populate_existing=True).state in {"handled", "failed", "parked"}
    assert all(row.contact_id is None for row in session.scalars(select(Handle)))
