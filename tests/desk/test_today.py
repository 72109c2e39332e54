"""Today: what waits, in which order, for whom, and what can be done about it in place."""

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import campaigns, loyalty, outreach
from factories.contacts import contact, interaction, task
from factories.waiting import complaint, conversation
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.kinds import Importance
from crm.db import database_now, new_id
from crm.desk import counters
from crm.desk.counters import count
from crm.desk.leaving import leaving
from crm.desk.queue import Kind, queue
from crm.desk.week import week
from crm.interactions.kinds import Direction, Visibility
from crm.outreach import services
from crm.outreach.kinds import ConversationState, MessageState
from crm.outreach.models import Message


@pytest.fixture
def now(session):
    """Pages ask the database for the time, so that what is due here is due there."""
    return database_now(session)


@pytest.fixture
def ann(session, actor, now):
    return contact(session, actor, "Ann Bo", email="ann@example.com", owner_id=actor.user_id, now=now)


def lines(found):
    return {kind: [row.name for row in rows] for kind, rows in found.items() if rows}


def draft(session, actor, contact_id, *, now):
    """A message that somebody prepared outside a campaign."""
    written = services.DraftInput(contact_id=contact_id, subject="Prepared", body="Dear Ann")
    made = services.draft_many(
        session, actor, batch_id=None, drafts=[written],
        purpose=Purpose.PERSONAL, channel=ChannelKind.EMAIL, now=now,
    )  # fmt: skip
    return made[contact_id]


def test_a_new_workspace_is_told_what_the_page_is_for(client):
    page = client.get("/").text

    assert "Today tells you whom to write to, and why" in page
    assert 'href="/imports/new"' in page


def test_every_kind_of_waiting_is_found(session, actor, ann, now):
    conversation(session, ann.id, since=now - timedelta(hours=3))
    complaint(session, actor, ann, now=now)
    task(session, actor, "Call Ann", contact_id=ann.id, due_on=now.date(), assignee_id=actor.user_id, now=now)
    outreach.account(session, actor, now=now)
    sent = outreach.message(session, actor, ann.id, now=now)
    sent.state, sent.first_tried_at = MessageState.UNCERTAIN.value, now
    hand = outreach.message(session, actor, ann.id, now=now)
    hand.is_assisted, hand.due_at = True, now - timedelta(minutes=1)
    campaigns.prepared(session, actor, 2, now=now, name="Preview")
    draft(session, actor, ann.id, now=now)
    offer = loyalty.offer(session, actor, name="Fifteen percent", ends_on=now.date() + timedelta(days=3), now=now)
    loyalty.voucher(session, actor, offer_id=offer.id, contact_id=ann.id, now=now)
    quiet = contact(session, actor, "Bea Quiet", importance=Importance.KEY, owner_id=actor.user_id, now=now)
    session.flush()

    found = queue(session, actor, is_mine=True, now=now)

    assert lines(found) == {
        Kind.REPLY: ["Ann Bo"],
        Kind.COMPLAINT: ["Ann Bo"],
        Kind.UNCERTAIN: ["Ann Bo"],
        Kind.DRAFTS: ["Preview"],
        Kind.REVIEW: ["Ann Bo"],
        Kind.BY_HAND: ["Ann Bo"],
        Kind.TASK: ["Ann Bo"],
        Kind.OFFER: ["Fifteen percent"],
        Kind.QUIET: ["Bea Quiet"],
    }
    assert found[Kind.REPLY][0].text == "Is the offer still good?"
    assert (found[Kind.DRAFTS][0].count, found[Kind.DRAFTS][0].total) == (2, 2)
    assert (found[Kind.OFFER][0].count, found[Kind.QUIET][0].id) == (1, quiet.id)


def test_the_page_shows_every_kind_with_its_deed(client, session, actor, ann, now):
    waiting = conversation(session, ann.id, since=now - timedelta(hours=3))
    other = conversation(session, ann.id, words="And the second?", since=now - timedelta(hours=2))
    angry = complaint(session, actor, ann, now=now)
    due = task(session, actor, "Call Ann", contact_id=ann.id, due_on=now.date(), assignee_id=actor.user_id, now=now)

    page = client.get("/").text

    assert "One thing waits for you" in page
    assert page.index("Waits for your answer") < page.index("Negative comment") < page.index("Call Ann")
    assert f'action="/inbox/{waiting.id}/reply"' in page
    for item in (f"reply:{waiting.id}", f"reply:{other.id}", f"complaint:{angry.id}", f"task:{due.id}"):
        assert f'name="item" value="{item}"' in page


def test_the_longest_wait_stands_first(session, actor, ann, now):
    conversation(session, ann.id, words="second", since=now - timedelta(hours=1))
    conversation(session, ann.id, words="first", since=now - timedelta(days=2))

    found = queue(session, actor, is_mine=True, now=now)[Kind.REPLY]

    assert [row.text for row in found] == ["first", "second"]


def test_promises_stand_before_tasks_and_late_ones_before_todays(session, actor, now):
    today = now.date()
    for title, days, promised in (("task", -9, False), ("promise", 0, True), ("late promise", -1, True)):
        due = today + timedelta(days=days)
        task(session, actor, title, due_on=due, is_promise=promised, assignee_id=actor.user_id, now=now)
    task(session, actor, "tomorrow", due_on=today + timedelta(days=2), assignee_id=actor.user_id, now=now)

    found = queue(session, actor, is_mine=True, now=now)[Kind.TASK]

    assert [row.text for row in found] == ["late promise", "promise", "task"]


def test_what_is_closed_put_off_or_answered_does_not_wait(session, actor, ann, now):
    conversation(session, ann.id, since=now, state=ConversationState.CLOSED)
    conversation(session, ann.id, since=now, state=ConversationState.SNOOZED, snoozed_until=now + timedelta(days=1))
    complaint(session, actor, ann, now=now).answered_at = now
    later = task(session, actor, due_on=now.date(), assignee_id=actor.user_id, now=now)
    later.snoozed_until = now + timedelta(days=1)
    session.flush()

    assert lines(queue(session, actor, is_mine=False, now=now)) == {}


def test_a_colleagues_private_complaint_stays_private(session, actor, ann, now):
    row = complaint(session, actor, ann, now=now, visibility=Visibility.PRIVATE)
    row.author_id = None
    session.flush()

    assert queue(session, actor, is_mine=False, now=now)[Kind.COMPLAINT] == []


def test_the_team_sees_what_a_colleague_looks_after(session, actor, other_house, now):
    session.add(Membership(user_id=other_house.user.id, workspace_id=actor.workspace_id, role=Role.SALES))
    session.flush()
    theirs = contact(session, actor, "Carl Dini", owner_id=other_house.user.id, now=now)
    conversation(session, theirs.id, since=now)

    assert queue(session, actor, is_mine=True, now=now)[Kind.REPLY] == []
    assert lines(queue(session, actor, is_mine=False, now=now)) == {Kind.REPLY: ["Carl Dini"]}


def test_another_workspace_sees_nothing_of_it(client, signed_in, other_house, session, actor, ann, now):
    conversation(session, ann.id, since=now)

    assert "Ann Bo" in client.get("/?who=team").text
    assert "Ann Bo" not in signed_in(other_house).get("/?who=team").text


def test_the_counters_say_the_same_as_the_page(client, session, actor, ann, now):
    conversation(session, ann.id, since=now)
    complaint(session, actor, ann, now=now)
    task(session, actor, due_on=now.date(), assignee_id=actor.user_id, now=now)

    found = queue(session, actor, is_mine=True, now=now)
    counted = count(session, actor, is_mine=True, now=now)

    assert counted == {kind: len(rows) for kind, rows in found.items() if kind is not Kind.QUIET}
    assert counters.counts(session, actor, now=now) == {"inbox": 1, "today": 2, "bell": 0}
    page = client.get("/counters").text
    assert 'id="side-counter-today" hx-swap-oob="true">2<' in page
    assert "<html" not in page


def test_a_tab_shows_only_its_kind(client, session, actor, ann, now):
    conversation(session, ann.id, since=now)
    task(session, actor, "Water the plants", due_on=now.date(), assignee_id=actor.user_id, now=now)

    page = client.get("/?kind=tasks").text

    assert "Water the plants" in page
    assert "Is the offer still good?" not in page


def test_a_task_done_from_today_comes_back_to_today(client, session, actor, now):
    row = task(session, actor, due_on=now.date(), assignee_id=actor.user_id, now=now)

    answer = client.post(f"/tasks/{row.id}/done", data={"back": "/?kind=tasks"})

    assert (answer.status_code, answer.location) == (303, "/?kind=tasks")
    session.refresh(row)
    assert row.done_at is not None


@pytest.mark.parametrize("action", ["snooze", "close"])
def test_a_conversation_put_aside_comes_back_to_today_and_waits_no_more(client, session, actor, ann, now, action):
    row = conversation(session, ann.id, since=now)

    answer = client.post(f"/inbox/{row.id}/{action}", data={"back": "/"})

    assert (answer.status_code, answer.location) == (303, "/")
    session.refresh(row)
    assert queue(session, actor, is_mine=True, now=now)[Kind.REPLY] == []


def test_a_conversation_never_leads_to_a_foreign_address(client, session, ann, now):
    row = conversation(session, ann.id, since=now)

    answer = client.post(f"/inbox/{row.id}/close", data={"back": "//evil.example"})

    assert answer.location == "/inbox"


def test_an_answer_from_today_leaves_and_comes_back(client, session, actor, ann, now):
    account = outreach.account(session, actor, now=now)
    row = conversation(session, ann.id, since=now, account_id=account.id)

    answer = client.post(f"/inbox/{row.id}/reply", data={"back": "/", "when": "now", "body": "Yes, until Friday."})

    assert (answer.status_code, answer.location) == (303, "/")
    written = session.query(Message).filter_by(conversation_id=row.id, direction="outbound").one()
    assert written.state == MessageState.SCHEDULED


@pytest.fixture
def role(session, house):
    def give(role):
        session.query(Membership).filter_by(user_id=house.user.id).update({"role": role.value})
        session.flush()

    return give


def test_a_viewer_sees_and_can_do_nothing(client, role, session, actor, ann, now):
    row = conversation(session, ann.id, since=now)
    due = task(session, actor, due_on=now.date(), assignee_id=actor.user_id, now=now)
    role(Role.VIEWER)

    page = client.get("/").text

    assert "Is the offer still good?" in page
    assert f"/inbox/{row.id}/reply" not in page
    assert f"/tasks/{due.id}/done" not in page
    assert "/today/aside" not in page
    assert client.post(f"/tasks/{due.id}/done").status_code == 403
    assert client.post("/today/aside", data={"item": f"task:{due.id}", "action": "done"}).status_code == 403


def test_who_only_redeems_is_sent_to_the_till(client, role):
    role(Role.TILL)

    answer = client.get("/")

    assert (answer.status_code, answer.location) == (303, "/till")


def test_strangers_are_asked_to_sign_in(anonymous):
    assert anonymous.get("/").status_code == 303
    assert anonymous.get("/counters").status_code == 303


def test_what_leaves_today_counts_campaigns_as_one_line(session, actor, ann, now):
    outreach.account(session, actor, now=now)
    noon = now.replace(hour=11, minute=0)
    outreach.message(session, actor, ann.id, send_at=noon, now=now.replace(hour=8))
    made = campaigns.scheduled(session, actor, 3, now=now.replace(hour=8), name="Preview")

    found = leaving(session, actor, now=now.replace(hour=8))

    assert (found.total, len(found.leaves)) == (4, 2)
    line = next(leaf for leaf in found.leaves if leaf.is_campaign)
    assert (line.id, line.name, line.count, len(line.faces)) == (made.id, "Preview", 3, 3)


def test_a_held_message_says_why_and_until_when(client, session, actor, ann, now):
    outreach.account(session, actor, now=now)
    row = outreach.message(session, actor, ann.id, now=now)
    row.state, row.reason, row.held_until = MessageState.HELD.value, "contact_budget", now + timedelta(days=2)
    session.flush()

    page = client.get("/").text

    assert "One message is held:" in page
    assert f"/messages/{row.id}" in page


def test_the_week_counts_people_and_promises(session, actor, ann, now):
    yesterday = now - timedelta(days=1)
    for kind, direction in (
        ("message.sent", "outbound"),
        ("message.sent", "outbound"),
        ("message.received", "inbound"),
    ):
        interaction(session, actor, ann.id, kind, direction=Direction(direction), happened_at=yesterday, now=now)
    kept = task(
        session, actor, is_promise=True, due_on=now.date(), assignee_id=actor.user_id, now=now - timedelta(days=2)
    )
    kept.done_at = now - timedelta(days=1)
    task(session, actor, "late", is_promise=True, due_on=now.date() - timedelta(days=1),
         assignee_id=actor.user_id, now=now)  # fmt: skip
    session.flush()

    found = week(session, actor, is_mine=True, now=now)

    assert (found.written, found.answered) == (1, 1)
    assert (found.promises_kept, found.promises) == (1, 2)


def test_the_time_to_an_answer_is_the_median(session, actor, ann, now):
    for minutes in (10, 30, 500):
        row = conversation(session, ann.id, since=now - timedelta(minutes=minutes + 60))
        asked = session.query(Message).filter_by(conversation_id=row.id).one()
        sent = asked.created_at + timedelta(minutes=minutes)
        session.add(
            Message(
                channel=ChannelKind.EMAIL, purpose="reply", state=MessageState.SENT, contact_id=ann.id,
                in_reply_to_id=asked.id, planned_at=sent, sent_at=sent, created_by_id=actor.user_id, id=new_id(),
            )
        )  # fmt: skip
    session.flush()

    assert week(session, actor, is_mine=True, now=now).answer_minutes == 30


def test_nobody_waits_for_the_figures_of_the_week(client, session, actor, ann, now):
    interaction(session, actor, ann.id, "message_sent", direction=Direction.OUTBOUND, now=now)
    for page, figures in (("/", "/week"), ("/?who=team", "/week?who=team")):
        assert f'hx-get="{figures}"' in client.get(page).text
        assert "People you wrote to" in client.get(figures).text


def test_a_draft_outside_campaigns_is_decided_from_today(client, session, actor, ann, now):
    outreach.account(session, actor, is_sandbox=True, now=now)
    first, second = draft(session, actor, ann.id, now=now), draft(session, actor, ann.id, now=now)
    assert f'href="/messages/{first}"' in client.get("/?kind=drafts").text
    assert f'action="/messages/{first}/approve"' in client.get(f"/messages/{first}").text
    client.post(f"/messages/{first}/approve")
    client.post(f"/messages/{second}/reject")
    states = {row.id: row.state for row in session.scalars(select(Message).execution_options(populate_existing=True))}
    assert states == {first: "scheduled", second: "rejected"}
    assert queue(session, actor, is_mine=True, now=now)[Kind.REVIEW] == []


def test_a_draft_waits_for_everybody_who_may_approve(session, actor, ann, now):
    outreach.account(session, actor, now=now)
    draft(session, actor, ann.id, now=now)
    another = replace(actor, user_id=new_id(), role=Role.MANAGER)
    looking = replace(another, role=Role.VIEWER)
    assert len(queue(session, another, is_mine=True, now=now)[Kind.REVIEW]) == 1
    assert queue(session, looking, is_mine=True, now=now)[Kind.REVIEW] == []


def test_a_draft_of_a_campaign_is_decided_there(client, session, actor, now):
    outreach.account(session, actor, now=now)
    made = campaigns.prepared(session, actor, 1, now=now)
    message = campaigns.message(session, made)
    assert f'action="/messages/{message.id}/approve"' not in client.get(f"/messages/{message.id}").text
    assert client.post(f"/messages/{message.id}/approve").status_code == 409
    session.refresh(message)
    assert message.state == "in_review"
    assert queue(session, actor, is_mine=True, now=now)[Kind.REVIEW] == []


def test_a_message_stands_where_it_leaves_and_not_where_it_was_planned(session, actor, ann, now):
    outreach.account(session, actor, now=now)
    later = outreach.message(session, actor, ann.id, send_at=now + timedelta(seconds=30), now=now)
    later.due_at = now + timedelta(days=2)
    session.flush()
    assert leaving(session, actor, now=now).total == 0

    later.planned_at, later.due_at = now - timedelta(days=2), now
    session.flush()
    found = leaving(session, actor, now=now)

    assert [(leaf.id, leaf.at) for leaf in found.leaves] == [(later.id, now)]


def test_a_message_held_for_good_waits_for_a_decision(client, session, actor, ann, now):
    outreach.account(session, actor, now=now)
    stale = outreach.message(session, actor, ann.id, now=now)
    stale.state, stale.reason = MessageState.HELD.value, "stale"
    by_itself = outreach.message(session, actor, ann.id, now=now)
    by_itself.state, by_itself.held_until = MessageState.HELD.value, now + timedelta(days=1)
    session.flush()

    assert [row.id for row in queue(session, actor, is_mine=True, now=now)[Kind.HELD]] == [stale.id]
    page = client.get("/").text
    assert "Held until you decide: The agreed time has passed by too much." in page
    answer = client.post(f"/messages/{stale.id}/cancel", data={"back": "/"})
    assert answer.location == "/"
    assert session.get_one(Message, stale.id, populate_existing=True).state == MessageState.CANCELLED


def test_paused_promotions_are_told_on_top_with_the_way_back(client, session, workspace):
    workspace.promotions_paused = True
    session.flush()

    page = client.get("/").text

    assert "All promotions are paused" in page
    assert 'action="/promotions/resume"' in page
