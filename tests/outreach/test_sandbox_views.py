"""The sandbox shows what each person received, and an answer takes the way of every inbound mail."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.channels.base import Outbound
from crm.channels.mime import build
from crm.channels.sandbox import SandboxStore
from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin
from crm.db import enter_workspace, new_id
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.models import Message, MessageText
from crm.outreach.services.accounts import AccountInput, create_account

ANNA = "anna.rossi@cliente.example"


@pytest.fixture
def account(session, actor, now):
    data = AccountInput(name="Prova", address="vendite@studio.example", is_sandbox=True)
    made = create_account(session, actor, data=data, now=now)
    session.commit()
    return made


@pytest.fixture
def anna(session, actor, now):
    data = contacts.ContactInput(first_name="Anna", last_name="Rossi", handles=[{"channel": "email", "address": ANNA}])
    made = contacts.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    session.commit()
    return made


@pytest.fixture
def store(settings):
    made = SandboxStore(settings.home)
    made.prepare()
    return made


@pytest.fixture
def deliver(store, account, now):
    """Put a letter to Anna into the sandbox as its server does, and give its id."""

    def do(*, subject="Una novità", html="<p>Ciao <b>Anna</b></p><script>x()</script>", to=ANNA, headers=None) -> str:
        outbound = Outbound(
            message_id=new_id(),
            attempt_no=1,
            reference=f"<{new_id().hex}@crm.example>",
            from_address="vendite@studio.example",
            from_name="Giulia",
            to_address=to,
            to_name="Anna Rossi",
            subject=subject,
            text="Ciao Anna",
            html=html,
            date=now - timedelta(hours=1),
            headers=headers or {},
        )
        store.keep(account=account.public_id, sender="vendite@studio.example", recipients=[to], content=build(outbound))
        return store.letters([account.public_id])[0].id

    return do


def test_an_empty_sandbox_says_what_it_is_for(client, account):
    assert "Nobody has received anything yet" in client.get("/sandbox").text


def test_without_a_sandbox_account_the_page_says_how_to_get_one(client):
    assert "No account writes to the sandbox" in client.get("/sandbox").text


def test_a_mailbox_shows_the_letter_without_what_acts(client, deliver):
    first = deliver(subject="Prima")
    deliver(subject="Seconda")
    people = client.get("/sandbox").text
    assert "Anna Rossi" in people
    newest = client.get(f"/sandbox?to={ANNA}").text
    assert "<p>Ciao <b>Anna</b></p>" in newest
    assert "x()" not in newest
    older = client.get(f"/sandbox?to={ANNA}&letter={first}").text
    assert "Prima" in older
    assert client.get("/sandbox?to=nessuno@x.example").status_code == 404
    assert client.get(f"/sandbox?to={ANNA}&letter=none").status_code == 404


def test_an_answer_becomes_a_message_of_that_person(client, session, deliver, anna, account):
    letter = deliver()
    answer = client.post(f"/sandbox/{letter}/answer", data={"kind": "reply", "text": "Va bene, perché no?"})
    assert answer.status_code == 303
    assert "The answer has arrived" in client.get(answer.location).text
    message = session.scalars(select(Message).where(Message.direction == "inbound")).one()
    assert (message.contact_id, message.account_id) == (anna.id, account.id)
    words = session.scalars(select(MessageText).where(MessageText.message_id == message.id)).one()
    assert words.body == "Va bene, perché no?"


def test_stop_opts_out_and_a_bounce_marks_the_address(client, session, deliver, anna):
    client.post(f"/sandbox/{deliver()}/answer", data={"kind": "reply", "text": "STOP"})
    assert session.scalars(select(Message).where(Message.direction == "inbound")).one()
    client.post(f"/sandbox/{deliver()}/answer", data={"kind": "bounce"})
    client.post(f"/sandbox/{deliver()}/answer", data={"kind": "out_of_office", "text": "In ferie"})
    client.post(f"/sandbox/{deliver()}/answer", data={"kind": "complaint"})
    kinds = session.scalars(select(InboundEvent.kind).order_by(InboundEvent.received_at, InboundEvent.id)).all()
    assert sorted(kinds) == ["autoreply", "bounce", "complaint", "reply"]
    assert session.scalars(select(InboundEvent.state)).all() == ["handled"] * 4


def test_an_empty_answer_is_refused_beside_its_field(client, session, deliver):
    answer = client.post(f"/sandbox/{deliver()}/answer", data={"kind": "reply", "text": " "})
    assert answer.status_code == 422
    assert "Write something." in answer.text
    assert session.scalars(select(InboundEvent)).all() == []


def test_the_unsubscribe_button_of_mail_programs_is_shown_for_our_own_address_only(client, deliver, settings):
    ours = {
        "List-Unsubscribe": f"<{settings.public_url}/u/abc>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    deliver(headers=ours)
    assert f'action="{settings.public_url}/u/abc"' in client.get(f"/sandbox?to={ANNA}").text
    deliver(headers={**ours, "List-Unsubscribe": "<https://elsewhere.example/u/abc>"})
    assert "elsewhere.example" not in client.get(f"/sandbox?to={ANNA}").text


def test_another_workspace_and_a_viewer_see_nothing(client, signed_in, session, house, other_house, deliver):
    letter = deliver()
    stranger = signed_in(other_house)
    assert ANNA not in stranger.get("/sandbox").text
    assert stranger.get(f"/sandbox?to={ANNA}").status_code == 404
    assert stranger.post(f"/sandbox/{letter}/answer", data={"kind": "reply", "text": "x"}).status_code == 404
    enter_workspace(session, house.workspace.id)
    session.query(Membership).filter_by(user_id=house.user.id).one().role = Role.VIEWER
    session.commit()
    assert client.get("/sandbox").status_code == 403
