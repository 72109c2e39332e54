"""Texts that people send by hand: one pair of hands each, the gate asked again, and everything noted once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import accounts
from factories.contacts import handle
from sqlalchemy import func, select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.channels.base import ChannelKind
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.contacts.models import Handle
from crm.errors import ConflictError
from crm.interactions.models import Interaction
from crm.outreach import queries, services
from crm.outreach.kinds import NotSent
from crm.outreach.models import BudgetUse, Message
from crm.outreach.services import AssistedAnswer
from crm.outreach.services.by_hand import IN_HAND

NUMBER = "+39 333 1234567"


@pytest.fixture
def text(desk, now):
    """A personal message for WhatsApp that is due."""
    handle(desk.session, desk.actor, desk.contact_id, channel=ChannelKind.WHATSAPP, address=NUMBER, now=now)
    return written(desk, now)


@pytest.fixture
def elena(session, desk):
    """A colleague."""
    user = accounts.user(session, name="Elena Galli")
    return replace(desk.actor, user_id=user.id, name="Elena Galli")


def written(desk, now, body="Ciao Ann!", purpose=Purpose.PERSONAL):
    return services.write(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        channel=ChannelKind.WHATSAPP,
        subject="",
        body=body,
        purpose=purpose,
        send_at=now,
        now=now,
    )


def opened(desk, message, now, actor=None):
    return services.open_assisted(desk.session, actor or desk.actor, message_id=message.id, now=now)


def settle(desk, message, answer, now, actor=None):
    return services.settle_assisted(desk.session, actor or desk.actor, message_id=message.id, answer=answer, now=now)


def no_more(desk, now):
    consent.record(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        purpose=ConsentPurpose.PERSONAL,
        channel=None,
        action=ConsentAction.WITHDRAWN,
        basis=Basis.CONSENT,
        source="phone",
        happened_at=now,
        now=now,
    )


def entries(desk):
    return desk.session.scalar(select(func.count()).where(Interaction.source_kind == "message"))


def budget(desk):
    return desk.session.scalar(select(func.count()).select_from(BudgetUse))


def test_the_queue_holds_what_is_due_and_says_who_has_it_in_hand(desk, text, elena, now):
    (card,) = queries.by_hand(desk.session, desk.actor, now=now)
    assert (card.line.id, card.text, card.is_opened) == (text.id, "Ciao Ann!", False)
    assert queries.by_hand(desk.session, desk.actor, now=now - timedelta(hours=1)) == []
    opened(desk, text, now, elena)
    (card,) = queries.by_hand(desk.session, desk.actor, now=now)
    assert (card.is_opened, card.opener_name) == (True, "Elena Galli")


def test_the_queue_of_others_is_the_teams(desk, text, elena, now):
    assert queries.by_hand(desk.session, elena, now=now) == []
    assert len(queries.by_hand(desk.session, elena, is_mine=False, now=now)) == 1


@pytest.mark.parametrize("answer", list(AssistedAnswer))
def test_what_a_sender_has_in_hand_is_not_a_persons_to_settle(desk, text, answer, now):
    desk.session.execute(update(Message).where(Message.id == text.id).values(state="sending", is_assisted=False))
    with pytest.raises(services.NotWaitingError):
        settle(desk, text, answer, now)
    assert desk.session.get_one(Message, text.id, populate_existing=True).state == "sending"


def test_two_colleagues_never_have_the_same_text_in_hand(desk, text, elena, now):
    opened(desk, text, now)
    with pytest.raises(services.InOtherHandsError):
        opened(desk, text, now + timedelta(minutes=1), elena)
    with pytest.raises(services.InOtherHandsError):
        services.not_sent(desk.session, elena, message_id=text.id, why=NotSent.SKIP, now=now)
    task = opened(desk, text, now + IN_HAND, elena)
    assert task.step.copy_text == "Ciao Ann!"
    with pytest.raises(services.InOtherHandsError):
        opened(desk, text, now + IN_HAND)


def test_done_is_noted_once_however_often_it_is_pressed(desk, text, elena, now):
    opened(desk, text, now)
    assert opened(desk, text, now).verdict.allowed
    settle(desk, text, AssistedAnswer.DONE, now)
    for actor in (desk.actor, elena):
        with pytest.raises(services.NotWaitingError):
            settle(desk, text, AssistedAnswer.DONE, now, actor)
    assert (entries(desk), budget(desk)) == (1, 1)
    assert queries.by_hand(desk.session, desk.actor, now=now) == []
    assert queries.dealt_with(desk.session, desk.actor, since=now) == 1


def test_who_said_no_after_the_text_was_opened_is_not_written_to(desk, text, now):
    opened(desk, text, now)
    no_more(desk, now)
    assert not queries.message_verdicts(desk.session, desk.actor, message_ids=[text.id], now=now)[text.id].allowed
    services.set_aside(desk.session, desk.actor, message_id=text.id, now=now)
    assert (desk.session.get_one(Message, text.id, populate_existing=True).state, budget(desk)) == ("skipped", 0)


def test_setting_aside_leaves_a_text_alone_that_may_go(desk, text, now):
    verdict = services.set_aside(desk.session, desk.actor, message_id=text.id, now=now)
    assert verdict.allowed
    assert desk.session.get_one(Message, text.id).state == "scheduled"


@pytest.mark.parametrize(
    ("why", "later"),
    [
        (NotSent.LATER, timedelta(hours=2)),
        (NotSent.TOMORROW, timedelta(days=1)),
        (NotSent.NOT_REACHED, timedelta(days=1)),
    ],
)
def test_what_comes_back_later_uses_no_budget_meanwhile(desk, text, now, why, later):
    opened(desk, text, now)
    message = services.not_sent(desk.session, desk.actor, message_id=text.id, why=why, now=now)
    assert (message.state, message.due_at, budget(desk)) == ("scheduled", now + later, 0)
    assert queries.by_hand(desk.session, desk.actor, now=now) == []
    assert len(queries.by_hand(desk.session, desk.actor, now=now + later)) == 1


def test_a_wrong_number_is_never_tried_again(desk, text, now):
    opened(desk, text, now)
    message = services.not_sent(desk.session, desk.actor, message_id=text.id, why=NotSent.WRONG_ADDRESS, now=now)
    known = desk.session.get_one(Handle, text.handle_id, populate_existing=True)
    assert (message.state, message.reason, known.state) == ("skipped", "wrong_address", "gone")
    with pytest.raises(services.BlockedError):
        written(desk, now)


def test_a_no_that_a_colleague_heard_ends_everything_but_answers(desk, text, now):
    other = written(desk, now, body="Un'altra cosa")
    services.not_sent(desk.session, desk.actor, message_id=text.id, why=NotSent.NO_MORE, now=now)
    assert desk.session.get_one(Message, other.id, populate_existing=True).state == "skipped"
    with pytest.raises(services.BlockedError):
        written(desk, now)


def test_what_is_settled_can_not_be_left_out(desk, text, now):
    opened(desk, text, now)
    settle(desk, text, AssistedAnswer.UNSURE, now)
    with pytest.raises(services.NotWaitingError):
        services.not_sent(desk.session, desk.actor, message_id=text.id, why=NotSent.TOMORROW, now=now)
    assert queries.by_hand_card(desk.session, desk.actor, message_id=text.id) is None


def reword(desk, message, body, now, **fields):
    return services.reword(desk.session, desk.actor, message_id=message.id, body=body, now=now, **fields)


def test_other_words_are_approved_anew_and_can_be_taken_back(desk, text, now):
    opened(desk, text, now)
    desk.session.refresh(text)
    changed = reword(desk, text, "Buongiorno Ann!", now, expected_version=text.version)
    assert (changed.state, opened(desk, changed, now).step.copy_text) == ("scheduled", "Buongiorno Ann!")
    back = reword(desk, changed, "Ciao Ann!", now)
    assert (back.state, opened(desk, back, now).step.copy_text, budget(desk)) == ("scheduled", "Ciao Ann!", 1)


def test_words_that_somebody_changed_meanwhile_are_not_overwritten(desk, text, now):
    version = text.version
    reword(desk, text, "Buongiorno!", now)
    with pytest.raises(ConflictError):
        reword(desk, text, "Ciao!", now, expected_version=version)


def test_where_two_must_agree_other_words_wait_for_the_second(desk, house, text, now):
    house.workspace.second_approval = True
    desk.session.flush()
    assert reword(desk, text, "Buongiorno!", now).state == "in_review"
    assert queries.by_hand(desk.session, desk.actor, now=now) == []


def test_the_page_leads_through_the_queue(client, desk, text, now):
    other = written(desk, now, body="Seconda")
    desk.session.commit()
    page = client.get("/by-hand")
    assert ("Ciao Ann!" in page.text, "wa.me" in page.text) == (True, False)
    client.post(f"/by-hand/{text.id}/open")
    page = client.get(f"/by-hand/{text.id}")
    assert "https://wa.me/393331234567?text=Ciao%20Ann%21" in page.text
    assert client.get(f"/by-hand/{text.id}/now").status_code == 204
    answer = client.post(f"/by-hand/{text.id}/done")
    assert answer.location == f"/by-hand/{other.id}"
    assert "text=Seconda" in client.get(answer.location).text
    assert client.post(f"/by-hand/{text.id}/done").location == f"/by-hand/{other.id}"
    assert client.post(f"/by-hand/{other.id}/not-done", data={"why": "never"}).location == f"/by-hand/{other.id}"
    assert client.post(f"/by-hand/{other.id}/not-done", data={"why": "tomorrow"}).location == "/by-hand"
    assert client.get(f"/by-hand/{text.id}").location == f"/messages/{text.id}"
    assert "Nothing waits for your hand" in client.get("/by-hand").text


def test_an_open_card_says_at_once_that_they_said_no(client, desk, text, now):
    opened(desk, text, now)
    no_more(desk, now)
    desk.session.commit()
    part = client.get(f"/by-hand/{text.id}/now")
    assert ("Do not send it" in part.text, "wa.me" in part.text) == (True, False)
    assert client.post(f"/by-hand/{text.id}/aside").status_code == 303
    assert "settled" in client.get(f"/by-hand/{text.id}/now").text


def test_other_words_by_the_page(client, desk, text):
    desk.session.commit()
    answer = client.post(f"/by-hand/{text.id}/words", data={"body": "", "version": text.version})
    assert answer.status_code == 422
    answer = client.post(f"/by-hand/{text.id}/words", data={"body": "Salve", "version": text.version})
    assert "text=Salve" in client.get(answer.location).text


def test_who_may_not_write_has_no_queue(session, house, client):
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.flush()
    assert client.get("/by-hand").status_code == 403
