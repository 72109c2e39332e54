"""The inbox: what a colleague reads, notes, begins, puts together and is told of."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from factories import accounts, outreach
from factories.contacts import contact, interaction
from factories.waiting import conversation
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from crm.accounts.models import Notification, User
from crm.channels.base import ChannelKind
from crm.contacts import services as people
from crm.contacts.models import Contact
from crm.events import ReplyReceived, publish
from crm.interactions.kinds import Direction, Sentiment
from crm.outreach import queries, services
from crm.outreach.answering import office_seconds
from crm.outreach.inbox_models import AnswerTime, InboxNotice
from crm.outreach.kinds import ConversationState, MessageState, ReplyMode
from crm.outreach.letters import Waiting, digest_letter
from crm.outreach.models import Conversation, Message
from crm.outreach.presence import Presence
from crm.outreach.services import conversations, notices
from crm.outreach.services.settle import mark_sent
from crm.outreach.windows import Window

HOUR = timedelta(hours=1)


@pytest.fixture
def ann(session, actor, now):
    return contact(session, actor, "Ann Bo", email="ann@example.com", now=now)


@pytest.fixture
def talk(session, ann, now):
    return conversation(session, ann.id, since=now - HOUR, state=ConversationState.OPEN)


def listed(session, actor, **where):
    return queries.conversations(session, actor, where=queries.InboxFilter(**where)).items


# --- Reading


def test_what_is_read_is_unread_for_nobody_but_those_who_did_not_look(session, actor, talk, now):
    assert [line.is_unread for line in listed(session, actor)] == [True]
    assert session.scalar(queries.counting_unread(actor)) == 1
    services.mark_seen(session, actor, conversation_id=talk.id, now=now)
    assert [line.is_unread for line in listed(session, actor)] == [False]
    assert session.scalar(queries.counting_unread(actor)) == 0
    conversations.note_inbound(talk, at=now + HOUR)
    session.flush()
    assert session.scalar(queries.counting_unread(actor)) == 1
    services.mark_seen(session, actor, conversation_id=talk.id, now=now + HOUR)
    services.mark_unread(session, actor, conversation_id=talk.id)
    assert listed(session, actor, is_unread=True)


def test_a_line_tells_the_last_words_and_since_when_something_negative_waits(session, actor, ann, talk, now):
    interaction(
        session, actor, ann.id, "comment", direction=Direction.INBOUND, channel="instagram", body="Never again.",
        sentiment=Sentiment.NEGATIVE, happened_at=now - HOUR, now=now,
    )  # fmt: skip
    (line,) = listed(session, actor, is_negative=True)
    assert (line.last_words, line.is_last_ours, line.negative_since) == ("Is the offer still good?", False, now - HOUR)
    other = contact(session, actor, "Bea Ro", email="bea@example.com", now=now)
    conversation(session, other.id, since=now)
    assert len(listed(session, actor)) == 2
    assert [line.name for line in listed(session, actor, text="bea")] == ["Bea Ro"]


def test_counts_of_the_tabs_follow_the_filter(session, actor, talk, now):
    counts = queries.counts_by_state(session, actor)
    assert (counts[ConversationState.OPEN], counts[ConversationState.CLOSED]) == (1, 0)
    nobody = queries.counts_by_state(session, actor, where=queries.InboxFilter(is_mine=True))
    assert set(nobody.values()) == {0}


def test_the_list_takes_the_same_few_statements_however_long_it_is(session, actor, now):
    def statements() -> int:
        session.expire_all()
        heard = []
        listener = lambda *given: heard.append(given[2])  # noqa: E731 - one line says it.
        event.listen(session.connection().engine, "before_cursor_execute", listener)
        listed(session, actor)
        event.remove(session.connection().engine, "before_cursor_execute", listener)
        return len(heard)

    conversation(session, contact(session, actor, "One", now=now).id, since=now)
    few = statements()
    for number in range(8):
        conversation(session, contact(session, actor, f"Person {number}", now=now).id, since=now)
    assert statements() == few


def test_a_long_thread_comes_in_pages_with_the_notes_where_they_were_left(session, actor, ann, talk, now):
    for number in range(5):
        session.add(
            Message(
                direction="inbound",
                channel=ChannelKind.EMAIL,
                purpose="reply",
                state=MessageState.RECEIVED,
                contact_id=ann.id,
                conversation_id=talk.id,
                created_at=now - timedelta(minutes=50 - number),
            )
        )
    session.flush()
    services.add_note(session, actor, conversation_id=talk.id, body="Call first.", now=now)
    newest = queries.thread(session, actor, conversation_id=talk.id, limit=4)
    assert [entry.is_note for entry in newest.items] == [False] * 4 + [True]
    earlier = queries.thread(session, actor, conversation_id=talk.id, before=newest.next, limit=4)
    assert (len(earlier.items), earlier.next) == (2, None)
    assert not {entry.id for entry in earlier.items} & {entry.id for entry in newest.items}


# --- Writing


def test_a_draft_survives_until_it_is_sent(client, session, actor, talk):
    pulse = client.post(f"/inbox/{talk.id}/pulse", data={"body": "Dear Ann,", "mode": "note", "typing": "1"})
    assert pulse.status_code == 200
    page = client.get(f"/inbox/{talk.id}")
    assert "Dear Ann," in page.text
    draft = services.draft_of(session, actor, conversation_id=talk.id)
    assert draft is not None
    assert draft.mode == ReplyMode.NOTE
    client.post(f"/inbox/{talk.id}/reply", data={"body": "Dear Ann,", "mode": "note", "when": "now"})
    assert services.draft_of(session, actor, conversation_id=talk.id) is None
    assert "Dear Ann," in client.get(f"/inbox/{talk.id}").text


def test_who_answers_on_top_of_a_colleague_is_told_before_it_leaves(client, session, actor, ann, talk, now):
    outreach.account(session, actor, is_sandbox=True, now=now)
    first = services.reply(session, actor, conversation_id=talk.id, body="Yes.", now=now)
    page = client.post(f"/inbox/{talk.id}/reply", data={"body": "Sure.", "when": "now", "known": str(ann.id)})
    assert page.status_code == 409
    assert "Sure." in page.text
    assert 'name="anyway"' in page.text
    sent = client.post(
        f"/inbox/{talk.id}/reply", data={"body": "Sure.", "when": "now", "known": str(ann.id), "anyway": "1"}
    )
    assert sent.status_code == 303
    assert len(session.scalars(select(Message).where(Message.in_reply_to_id.is_not(None))).all()) >= 1
    assert first.id


def test_send_and_close_stays_closed_when_the_message_leaves(client, session, actor, talk, now):
    outreach.account(session, actor, is_sandbox=True, now=now)
    client.post(f"/inbox/{talk.id}/reply", data={"body": "Done.", "when": "now", "then": "close"})
    message = session.scalars(select(Message).where(Message.direction == "outbound")).one()
    assert mark_sent(session, actor, message.id, when=MessageState.SCHEDULED, now=now + HOUR)
    session.refresh(talk)
    assert talk.state == ConversationState.CLOSED


def test_canned_replies_are_filled_in_for_the_person(client, session, actor, talk, now):
    data = services.CannedReplyInput(title="Hours", body="Hello {{ contact.first_name }}, we open at nine.")
    row = services.create_canned(session, actor, data=data, now=now)
    assert "Hello Ann, we open at nine." in client.get(f"/inbox/{talk.id}/canned").text
    assert "Hello Ann, we open at nine." in client.get(f"/inbox/{talk.id}?canned={row.id}").text
    assert (
        client.post(f"/settings/canned/{row.id}", data={"title": "", "body": "x", "language": "it"}).status_code == 422
    )
    assert (
        client.post("/settings/canned/new", data={"title": "T", "body": "{{ oops", "language": "it"}).status_code == 422
    )


# --- Work


def test_what_was_put_off_comes_back_by_itself(session, actor, talk, now):
    services.snooze(session, actor, conversation_id=talk.id, until=now + HOUR, now=now)
    assert conversations.wake_snoozed(session, actor, now=now) == 0
    assert conversations.wake_snoozed(session, actor, now=now + HOUR) == 1
    session.refresh(talk)
    assert (talk.state, talk.snoozed_until) == (ConversationState.OPEN, now + HOUR)


def test_two_threads_of_a_person_become_one_and_two_again(session, actor, ann, talk, now):
    other = conversation(session, ann.id, words="By the way.", since=now)
    services.add_note(session, actor, conversation_id=other.id, body="A note.", now=now)
    services.merge_threads(session, actor, kept_id=talk.id, gone_id=other.id, now=now)
    assert len(queries.thread(session, actor, conversation_id=talk.id).items) == 3
    assert [line.id for line in listed(session, actor)] == [talk.id]
    services.unmerge_threads(session, actor, kept_id=talk.id, gone_id=other.id, now=now)
    assert len(queries.thread(session, actor, conversation_id=talk.id).items) == 1
    assert len(queries.thread(session, actor, conversation_id=other.id).items) == 2
    assert {line.id for line in listed(session, actor)} == {talk.id, other.id}


def test_what_is_said_in_a_thread_that_went_up_in_another_stands_where_people_look(
    client, session, actor, ann, talk, now
):
    """A page from before the merge is still open somewhere, and a mail comes in at the same moment."""
    other = conversation(session, ann.id, words="By the way.", since=now)
    services.merge_threads(session, actor, kept_id=talk.id, gone_id=other.id, now=now)
    assert conversations.load_kept(session, other.id).id == talk.id
    services.add_note(session, actor, conversation_id=other.id, body="A note.", now=now)
    assert [line.is_note for line in queries.thread(session, actor, conversation_id=talk.id).items].count(True) == 1
    answer = client.post(f"/inbox/{other.id}/reply", data={"body": "My long answer."})
    assert answer.status_code == 422
    assert "My long answer." in answer.text
    assert queries.thread(session, actor, conversation_id=other.id).items == []


def test_a_lock_shows_the_thread_as_the_last_one_left_it(session, talk):
    """Whoever waited for the row must not decide by what it held before."""
    connection = session.connection()
    connection.execute(update(Conversation).where(Conversation.id == talk.id).values(subject="Other"))
    assert conversations.load(session, talk.id, lock=True).subject == "Other"


def test_a_mail_that_joins_a_chat_opens_no_window_of_its_network(session, actor, ann, now):
    old = now - timedelta(days=3)
    chat = conversation(session, ann.id, since=old)
    chat.channel = ChannelKind.WHATSAPP.value
    account = outreach.account(session, actor, is_sandbox=True, now=now)
    chat.account_id = account.id
    session.flush()
    mail = conversation(session, ann.id, since=now)
    services.merge_threads(session, actor, kept_id=chat.id, gone_id=mail.id, now=now)
    assert (chat.last_inbound_at, chat.last_at) == (old, now)
    assert queries.needs_template(session, conversation_id=chat.id, now=now)


def test_a_thread_holds_nothing_of_people_whom_the_reader_may_not_see(session, house, actor, ann, talk, now):
    """Two people were one for a while, and so were their threads."""
    _user, _membership, elena = accounts.member(session, house)
    hidden = contact(session, actor, "Bea Ro", now=now)
    other = conversation(session, hidden.id, words="My illness.", since=now)
    restricted = update(Contact).where(Contact.id == hidden.id).values(restricted=True, owner_id=actor.user_id)
    session.execute(restricted)
    session.execute(update(Message).where(Message.conversation_id == other.id).values(conversation_id=talk.id))
    assert [entry.body for entry in queries.thread(session, elena, conversation_id=talk.id).items] == [
        "Is the offer still good?"
    ]
    assert [line.last_words for line in listed(session, elena)] == ["Is the offer still good?"]
    assert len(queries.thread(session, actor, conversation_id=talk.id).items) == 2


def test_threads_of_two_people_stay_two(client, session, actor, talk, now):
    bea = contact(session, actor, "Bea Ro", now=now)
    other = conversation(session, bea.id, since=now)
    assert client.post(f"/inbox/{talk.id}/merge?other_id={other.id}").status_code == 422
    assert client.post(f"/inbox/{talk.id}/merge?other_id={talk.id}").status_code == 422


def test_a_stranger_becomes_a_person_with_thread_and_notes(client, session, actor, ann, now):
    handle = people.add_handle(session, actor, channel=ChannelKind.EMAIL, address="new@example.org", now=now)
    talk = conversation(session, None, since=now, handle_id=handle.id)
    services.add_note(session, actor, conversation_id=talk.id, body="Who is it?", now=now)
    assert client.post(f"/inbox/{talk.id}/link", data={"contact_id": str(ann.id)}).status_code == 303
    session.expire_all()
    assert queries.conversation(session, actor, conversation_id=talk.id).contact_id == ann.id
    assert "Who is it?" in client.get(f"/contacts/{ann.id}").text


def test_an_ignored_stranger_is_closed(client, session, actor, now):
    handle = people.add_handle(session, actor, channel=ChannelKind.EMAIL, address="spam@example.org", now=now)
    talk = conversation(session, None, since=now, handle_id=handle.id)
    assert client.post(f"/inbox/{talk.id}/ignore").status_code == 303
    session.refresh(talk)
    assert talk.state == ConversationState.CLOSED


def test_several_are_closed_and_handed_over_at_once(client, session, actor, talk, now):
    other = conversation(session, contact(session, actor, "Bea Ro", now=now).id, since=now)
    ids = [str(talk.id), str(other.id), "nonsense"]
    client.post("/inbox/several", data={"ids": ids, "action": "assign", "assignee_id": "me"})
    session.expire_all()
    assert {line.assignee_id for line in listed(session, actor)} == {actor.user_id}
    client.post("/inbox/several", data={"ids": ids, "action": "close"})
    session.expire_all()
    assert {line.state for line in listed(session, actor)} == {ConversationState.CLOSED}


# --- Who else is here


def test_without_valkey_nobody_is_here_and_nothing_breaks(actor, talk):
    assert Presence("").here(actor, conversation_id=talk.id, is_typing=True, at=1.0) == []
    away = Presence("redis://127.0.0.1:1/0")
    assert away.here(actor, conversation_id=talk.id, is_typing=True, at=1.0) == []


def test_colleagues_see_each_other_and_nobody_of_another_workspace(valkey_url, actor, other_actor, talk):
    from dataclasses import replace
    from uuid import uuid4

    presence, colleague = Presence(valkey_url), replace(actor, user_id=uuid4())
    presence.here(actor, conversation_id=talk.id, is_typing=True, at=100.0)
    (seen,) = presence.here(colleague, conversation_id=talk.id, is_typing=False, at=101.0)
    assert (seen.user_id, seen.is_typing) == (actor.user_id, True)
    assert presence.here(other_actor, conversation_id=talk.id, is_typing=False, at=101.0) == []
    assert presence.here(colleague, conversation_id=talk.id, is_typing=False, at=130.0) == []


# --- Mail about it


def test_a_key_person_who_answers_rings_for_their_owner(session, actor, ann, talk, now):
    def answered():
        told = ReplyReceived(
            workspace_id=actor.workspace_id, now=now, contact_id=ann.id, conversation_id=talk.id, message_id=talk.id
        )
        publish(session, told)
        return session.scalars(select(Notification.kind).where(Notification.kind == "inbox.key_answered")).all()

    session.execute(update(Contact).where(Contact.id == ann.id).values(owner_id=actor.user_id))
    assert answered() == []
    session.execute(update(Contact).where(Contact.id == ann.id).values(importance="key"))
    assert answered() == ["inbox.key_answered"]


def test_the_bell_names_nobody_whom_its_hearer_may_not_see(session, house, actor, ann, talk, now):
    elena, _membership, _actor = accounts.member(session, house)
    hidden = {"importance": "key", "owner_id": actor.user_id, "restricted": True}
    session.execute(update(Contact).where(Contact.id == ann.id).values(**hidden))
    talk.assignee_id = elena.id
    session.flush()
    told = ReplyReceived(
        workspace_id=actor.workspace_id, now=now, contact_id=ann.id, conversation_id=talk.id, message_id=talk.id
    )
    publish(session, told)
    heard = select(Notification.user_id).where(Notification.kind == "inbox.key_answered")
    assert session.scalars(heard).all() == [actor.user_id]


def test_a_digest_comes_once_a_day_and_only_when_something_waits(session, actor, talk, now):
    morning = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    row = notices.choose_notices(session, actor, digest_hour=8, key_answers=False, now=morning - HOUR)
    session.execute(update(InboxNotice).values(due_at=morning))
    session.refresh(row)
    ids = {"workspace_id": actor.workspace_id, "user_id": actor.user_id}
    assert notices.take_digest(session, **ids, now=morning - HOUR) is None
    taken = notices.take_digest(session, **ids, now=morning)
    assert taken is not None
    assert [line.name for line in taken.answers] == ["Ann Bo"]
    assert notices.take_digest(session, **ids, now=morning + HOUR) is None
    session.execute(update(InboxNotice).values(due_at=morning + HOUR))
    session.refresh(row)
    assert notices.take_digest(session, **ids, now=morning + HOUR) is None, "the day had its digest"
    services.close(session, actor, conversation_id=talk.id)
    session.execute(update(InboxNotice).values(due_at=morning + timedelta(days=1)))
    session.refresh(row)
    assert notices.take_digest(session, **ids, now=morning + timedelta(days=1)) is None


@pytest.mark.parametrize("first", [date(2026, 3, 27), date(2026, 10, 23)], ids=["clocks forward", "clocks back"])
@pytest.mark.parametrize("hour", [0, 2, 3, 8])
def test_each_day_has_one_digest_over_a_change_of_the_clocks(first, hour):
    from zoneinfo import ZoneInfo

    row = InboxNotice(digest_hour=hour, sent_on=None)
    now = datetime.combine(first, time(0), tzinfo=ZoneInfo("Europe/Rome")).astimezone(UTC) - HOUR
    days = []
    for _day in range(5):
        now = notices.next_digest(row, tz="Europe/Rome", now=now)
        row.sent_on = now.astimezone(ZoneInfo("Europe/Rome")).date()
        days.append(row.sent_on)
    assert days == [first + timedelta(days=number) for number in range(5)]


def test_names_with_line_breaks_stay_in_their_line_of_a_digest():
    subject, text = digest_letter(
        locale="it-IT", name="Giulia", house="Lanterna\r\nBcc: x@y", parts={"answers": [Waiting("A\nB", "C\r\nD")]},
        url="u", settings="s",
    )  # fmt: skip
    assert "\n" not in subject
    assert "- A B: C D" in text


def test_the_choice_of_mail_is_kept(client, session, actor):
    assert client.get("/settings/inbox").status_code == 200
    assert client.post("/settings/inbox", data={"digest_hour": "7", "key_answers": "y"}).status_code == 303
    row = notices.notice_of(session, actor)
    assert row is not None
    assert (row.digest_hour, row.key_answers, row.due_at is not None) == (7, True, True)
    assert client.post("/settings/inbox", data={"digest_hour": "77"}).status_code == 422


# --- How fast


def test_an_answer_that_leaves_says_how_long_they_waited(client, session, actor, talk, now):
    outreach.account(session, actor, is_sandbox=True, now=now)
    message = services.reply(session, actor, conversation_id=talk.id, body="Yes.", now=now)
    mark_sent(session, actor, message.id, when=MessageState.SCHEDULED, now=now)
    row = session.scalars(select(AnswerTime)).one()
    assert (row.asked_at, row.answered_at, row.user_id) == (now - HOUR, now, actor.user_id)
    found = queries.answer_figures(session, actor, now=now)
    assert found.total is not None
    assert found.total.median == HOUR.total_seconds()
    assert list(found.by_channel) == [ChannelKind.EMAIL]
    name = session.get_one(User, actor.user_id).name
    assert name in client.get("/inbox/figures").text


WINDOW = Window.of("09:00", "18:00", "1,2,3,4,5")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 2, 10), timezones=st.just(UTC))  # noqa: DTZ001 - zones given.


@given(asked=MOMENTS, answered=MOMENTS)
def test_office_hours_are_never_longer_than_the_clock(asked, answered):
    asked, answered = sorted((asked, answered))
    seconds = office_seconds(asked, answered, WINDOW, tz="Europe/Rome", is_holiday=lambda _day: False)
    assert 0 <= seconds <= (answered - asked).total_seconds()


def test_a_weekend_is_no_office_time():
    asked = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    answered = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert office_seconds(asked, answered, WINDOW, tz="Europe/Rome", is_holiday=lambda _day: False) == 2 * 3600


def test_the_api_reads_notes_marks_and_merges(client, session, actor, ann, talk, now):
    other = conversation(session, ann.id, since=now)
    at = f"/api/v1/conversations/{talk.id}"
    assert client.post(f"{at}/notes", json={"body": "Call first."}).status_code == 201
    assert client.post(f"{at}/read").json["is_unread"] is False
    assert client.post(f"{at}/unread").json["is_unread"] is True
    assert client.post(f"{at}/merge", json={"other_id": str(other.id)}).status_code == 200
    assert len(client.get(at).json["thread"]) == 3
    assert client.get("/api/v1/conversations?unread=true&q=offer").json["items"]
    made = client.post("/api/v1/canned-replies", json={"title": "Hours", "body": "At nine."})
    where = f"/api/v1/canned-replies/{made.json['id']}"
    assert client.patch(where, json={"title": "Times"}).json["title"] == "Times"
    assert client.delete(where).status_code == 204
    assert client.get("/api/v1/answer-times").json["channels"] == []
    session.expire_all()
    assert session.get_one(Conversation, other.id).merged_into_id == talk.id
