"""Writing to one person: now, at a time, as an answer, by hand; and what is refused beside its field."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import outreach
from factories.contacts import contact, handle
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.channels.base import ChannelKind
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose, SuppressionReason
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError
from crm.outreach import queries, services
from crm.outreach.content import TemplateError
from crm.outreach.kinds import MessageState
from crm.outreach.models import FrozenContent, Message, MessageText
from crm.outreach.rules import Reason
from crm.outreach.setup import links


def write(desk, now, **fields):
    return services.write(
        desk.session,
        desk.actor,
        **{
            "contact_id": desk.contact_id,
            "channel": ChannelKind.EMAIL,
            "subject": "Il listino",
            "body": "Buongiorno.",
            "purpose": Purpose.PERSONAL,
            "now": now,
            **fields,
        },
    )


def frozen(desk) -> FrozenContent:
    return desk.session.scalars(select(FrozenContent)).one()


def test_now_means_fifteen_seconds_ahead_and_can_be_taken_back(desk, now):
    message = write(desk, now)
    assert (message.state, message.due_at, message.planned_at) == (
        "scheduled",
        now + timedelta(seconds=15),
        now + timedelta(seconds=15),
    )
    taken = services.take_back(desk.session, desk.actor, message_id=message.id, now=now + timedelta(seconds=14))
    assert (taken.state, taken.reason) == ("cancelled", "taken_back")
    with pytest.raises(services.TooLateError):
        services.take_back(desk.session, desk.actor, message_id=message.id, now=now)


def test_a_time_ahead_is_kept_and_a_time_in_the_past_is_refused(desk, now):
    later = now + timedelta(days=2)
    assert write(desk, now, send_at=later).planned_at == later
    with pytest.raises(InvalidInputError) as refused:
        write(desk, now, send_at=now - timedelta(hours=1))
    assert refused.value.fields.keys() == {"send_at"}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"subject": " "}, {"subject"}),
        ({"body": "\n "}, {"body"}),
        ({"subject": "a\nBcc: all@example.com"}, {"subject"}),
        ({"body": "x" * 20_001}, {"body"}),
        ({"channel": ChannelKind.WHATSAPP}, {"channel"}),
        ({"purpose": Purpose.REPLY}, {"purpose"}),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(desk, now, fields, where):
    with pytest.raises(InvalidInputError) as refused:
        write(desk, now, **fields)
    assert refused.value.fields.keys() == where
    assert desk.session.scalars(select(Message)).all() == []


def test_without_an_account_no_mail_can_be_written(session, actor, now):
    person = outreach.person(session, actor, now=now)
    with pytest.raises(InvalidInputError) as refused:
        outreach.message(session, actor, person, now=now)
    assert refused.value.code == "no_account"


def test_the_words_are_filled_for_the_person(desk, now):
    message = write(desk, now, subject="Per {{ contact.first_name }}", body="Caro {{ contact.name }}, *bene*.")
    text = desk.session.scalars(select(MessageText)).one()
    assert (text.subject, frozen(desk).text) == ("Per Ann", "Caro Ann Bo, bene.")
    assert frozen(desk).html == "<p>Caro Ann Bo, <em>bene</em>.</p>\n"
    assert frozen(desk).hash == message.approved_hash


def test_a_value_that_is_missing_is_named(desk, now):
    with pytest.raises(services.MissingValuesError) as refused:
        write(desk, now, body="{{ contact.title }} {{ contact.city }}")
    assert refused.value.names == ("contact.title", "contact.city")


def test_a_text_that_is_no_template_is_refused(desk, now):
    with pytest.raises(TemplateError):
        write(desk, now, body="{% if %}")


def test_a_personal_mail_has_the_signature_and_no_way_out(desk, now):
    desk.account.signature = "--\nGiulia"
    desk.session.flush()
    write(desk, now)
    assert frozen(desk).text.endswith("Giulia")
    assert frozen(desk).headers["headers"] == {}


def test_a_promotion_has_a_way_out_in_its_text_and_headers(desk, now):
    write(desk, now, purpose=Purpose.PROMOTIONAL)
    headers = frozen(desk).headers["headers"]
    url = headers["List-Unsubscribe"].strip("<>")
    token = links().read_preference_token(url.rsplit("/", 1)[-1])
    assert token is not None
    assert (token.contact_id, token.channel) == (desk.contact_id, ChannelKind.EMAIL)
    assert links().preference_url(token) in frozen(desk).text
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_reference_is_chosen_before_the_first_attempt(desk, now):
    message = write(desk, now)
    assert message.reference == f"<{message.id.hex}@lanterna.example.com>"


def test_nobody_writes_to_somebody_who_said_no(desk, now):
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
    with pytest.raises(services.BlockedError) as refused:
        write(desk, now)
    assert refused.value.verdict.reason is Reason.CONSENT_WITHDRAWN


def test_nobody_writes_to_a_suppressed_address(desk, now):
    consent.suppress(
        desk.session,
        desk.actor,
        channel=ChannelKind.EMAIL,
        address_norm="ann@example.com",
        reason=SuppressionReason.ASKED,
        now=now,
    )
    with pytest.raises(services.BlockedError):
        write(desk, now)


def test_nobody_writes_to_an_unknown_person(desk, now):
    with pytest.raises(NotFoundError):
        write(desk, now, contact_id=new_id())


def test_a_viewer_may_not_write(desk, now):
    with pytest.raises(ForbiddenError):
        write(replace(desk, actor=replace(desk.actor, role=Role.VIEWER)), now)


# By hand


def by_hand(desk, now, **fields):
    handle(desk.session, desk.actor, desk.contact_id, channel=ChannelKind.WHATSAPP, address="+39 333 1234567", now=now)
    return write(desk, now, channel=ChannelKind.WHATSAPP, subject="", body="Ciao Ann!", **fields)


def test_a_chat_message_is_prepared_for_the_hand_and_no_machine_takes_it(desk, now):
    message = by_hand(desk, now)
    assert (message.is_assisted, message.account_id, message.state) == (True, None, "scheduled")
    task = services.open_assisted(desk.session, desk.actor, message_id=message.id, now=now)
    assert task.step.url == "https://wa.me/393331234567?text=Ciao%20Ann%21"
    assert task.step.copy_text == "Ciao Ann!"
    again = services.open_assisted(desk.session, desk.actor, message_id=message.id, now=now)
    assert again.step == task.step
    done = services.settle_assisted(
        desk.session, desk.actor, message_id=message.id, answer=services.AssistedAnswer.DONE, now=now
    )
    assert (done.state, done.tries) == ("sent", 1)
    with pytest.raises(services.NotWaitingError):
        services.settle_assisted(
            desk.session, desk.actor, message_id=message.id, answer=services.AssistedAnswer.DONE, now=now
        )


def test_not_done_waits_again_and_unsure_joins_the_uncertain_ones(desk, now):
    message = by_hand(desk, now)
    services.open_assisted(desk.session, desk.actor, message_id=message.id, now=now)
    answers = services.AssistedAnswer
    waiting = services.settle_assisted(
        desk.session, desk.actor, message_id=message.id, answer=answers.NOT_DONE, now=now
    )
    assert waiting.state == "scheduled"
    services.open_assisted(desk.session, desk.actor, message_id=message.id, now=now)
    doubtful = services.settle_assisted(desk.session, desk.actor, message_id=message.id, answer=answers.UNSURE, now=now)
    assert doubtful.state == "uncertain"
    assert [found.line.id for found in queries.uncertain(desk.session, desk.actor)] == [message.id]
    arrived = services.resolve_uncertain(
        desk.session, desk.actor, message_id=message.id, decision=services.Decision.ARRIVED, now=now
    )
    assert arrived.state == "sent"


def test_the_gate_is_asked_when_a_person_opens_the_step(desk, now):
    message = by_hand(desk, now)
    consent.suppress(
        desk.session,
        desk.actor,
        channel=ChannelKind.WHATSAPP,
        address_norm="+393331234567",
        reason=SuppressionReason.ASKED,
        now=now,
    )
    with pytest.raises(services.BlockedError) as refused:
        services.open_assisted(desk.session, desk.actor, message_id=message.id, now=now)
    assert refused.value.verdict.reason is Reason.SUPPRESSED


# Asking before there is a message


def test_the_gate_answers_for_many_people_at_once(desk, now):
    nobody = contact(desk.session, desk.actor, "No Mail", now=now)
    unasked = contact(desk.session, desk.actor, "Not Asked", email="not@example.com", now=now)
    answers = queries.verdicts(
        desk.session,
        desk.actor,
        contact_ids=[desk.contact_id, nobody.id, unasked.id],
        purpose=Purpose.PROMOTIONAL,
        channel=ChannelKind.EMAIL,
        now=now,
    )
    assert {key: answer.reason for key, answer in answers.items()} == {
        desk.contact_id: None,
        nobody.id: Reason.NO_HANDLE,
        unasked.id: Reason.CONSENT_MISSING,
    }


def test_lists_show_what_waits(desk, now):
    first, second = write(desk, now), write(desk, now + timedelta(seconds=1), subject="Due")
    page = queries.messages(desk.session, desk.actor, states=[MessageState.SCHEDULED], limit=1)
    assert [line.id for line in page.items] == [second.id]
    rest = queries.messages(desk.session, desk.actor, states=[MessageState.SCHEDULED], limit=1, after=page.next)
    assert [(line.id, line.contact_name, line.address) for line in rest.items] == [
        (first.id, "Ann Bo", "ann@example.com")
    ]
    assert queries.counts(desk.session, desk.actor) == {MessageState.SCHEDULED: 2}
    view = queries.message(desk.session, desk.actor, message_id=second.id)
    assert (view.subject, view.frozen.hash, view.account_name) == ("Due", second.approved_hash, "Sales")
    assert len(queries.planned_for(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]) == 2
    health = queries.account_health(desk.session, desk.actor, account_id=desk.account.id, now=now)
    assert (health.due, health.waiting, health.pace) == (0, 2, ())
