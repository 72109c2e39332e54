"""The pages: five steps, the review, the run and the report, as a browser uses them."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import House, make_house
from factories import campaigns, loyalty, outreach
from factories.accounts import member
from factories.contacts import contact
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.campaigns import services
from crm.campaigns.inputs import ScheduleInput
from crm.campaigns.kinds import ScheduleKind
from crm.campaigns.models import Campaign, Recipient
from crm.db import database_now, enter_workspace, new_id
from crm.loyalty import services as loyalty_services
from crm.outreach.services.drafts import text_of


def text(answer) -> str:
    plain = re.sub(r"<(script|style).*?</\1>", " ", answer.get_data(as_text=True), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", plain))


@pytest.fixture
def clock(session):
    """Pages take the time from the database."""
    return database_now(session)


@pytest.fixture
def drafts(session, actor, account, clock) -> Campaign:
    return campaigns.prepared(session, actor, 3, now=clock)


def url(campaign, *parts) -> str:
    return "/".join(["/campaigns", str(campaign.id), *map(str, parts)])


def test_the_empty_list_says_what_it_is_for(client):
    assert "A private word to a few" in text(client.get("/campaigns"))


def test_the_five_steps_lead_from_a_name_to_messages_that_leave(client, session, actor, account):
    people = campaigns.people(session, actor, 3)
    offer = loyalty.offer(session, actor)
    assert client.get("/campaigns/new").status_code == 200
    made = client.post("/campaigns/new", data={"name": "Preview", "segment_id": "", "contact": people[:1]})
    campaign = session.scalars(select(Campaign)).one()
    assert made.location == url(campaign, "people")
    added = client.post(url(campaign, "pick"), data={"contact": [str(one) for one in people[1:]]})
    assert added.status_code == 303
    page = text(client.get(url(campaign, "people")))
    assert "Ann Bo" in page
    assert "All of them can be written to" in page
    chosen = client.post(url(campaign, "people"), data={"segment_id": "", "leavers": "stay", "holdout_percent": "0"})
    assert chosen.location == url(campaign, "offer")
    assert "20% on ten reports" in text(client.get(url(campaign, "offer")))
    chosen = client.post(url(campaign, "offer"), data={"offer_id": str(offer.id)})
    assert chosen.location == url(campaign, "message")
    assert client.get(url(campaign, "message")).status_code == 200
    words = {"purpose": "promotional", "channel": "email", "account_id": ""}
    words |= {"subject": "For {{ contact.first_name }}", "body": "Here: {{ voucher.code }}"}
    written = client.post(url(campaign, "message"), data=words)
    assert written.location == url(campaign, "review")
    page = text(client.get(url(campaign, "review")))
    assert "For Ann" in page
    assert "0 of 3 reviewed" in page
    approved = client.post(url(campaign, "approve"))
    assert approved.location == url(campaign, "schedule")
    assert "approved messages" in text(client.get(url(campaign, "schedule")))
    scheduled = client.post(url(campaign, "schedule"), data={"kind": "now"})
    assert scheduled.location == url(campaign, "run")
    assert "Where everybody is" in text(client.get(url(campaign, "run")))
    assert "3 people planned" in text(client.get(url(campaign, "report")))
    assert "Preview" in text(client.get("/campaigns"))


def test_a_text_with_a_syntax_error_is_said_beside_its_field_and_what_was_typed_stays(client, session, actor, account):
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 1))
    data = {
        "purpose": "promotional",
        "channel": "email",
        "subject": "Hi",
        "body": "Dear {{ contact.first_name",
        "other": "en",
    }
    answer = client.post(url(campaign, "message"), data=data)
    assert answer.status_code == 422
    html = answer.get_data(as_text=True)
    assert 'id="body-error"' in html
    assert "Dear {{ contact.first_name" in html
    wrong = client.post(url(campaign, "preview"), data={**data, "person": str(campaigns.people(session, actor, 1)[0])})
    assert "Line 1: a field is opened with" in text(wrong)


def test_each_problem_of_a_text_is_said_once_beside_its_field(client, session, actor, account):
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 1))
    data = {"purpose": "promotional", "channel": "email", "subject": "Hi", "body": "Dear {{ contact.nome }}"}
    answer = client.post(url(campaign, "message"), data=data)
    assert answer.status_code == 422
    # In the list at the top, beside the field, and as it was typed.
    assert text(answer).count("{{ contact.nome }}") == 3


def test_the_missing_code_of_an_offer_is_missed_until_it_is_typed(client, session, actor, account, clock):
    people = campaigns.people(session, actor, 1)
    offer = loyalty.offer(session, actor, now=clock)
    campaign = campaigns.campaign(session, actor, people, offer_id=offer.id)
    warning = "doesn’t show the personal code yet"
    assert warning in text(client.get(url(campaign, "message")))
    data = {"subject": "Hi", "body": "Dear {{ contact.first_name }}", "person": str(people[0])}
    assert warning in text(client.post(url(campaign, "preview"), data=data))
    data["body"] = "Dear {{ contact.first_name }}, {{ voucher.code }}"
    assert warning not in text(client.post(url(campaign, "preview"), data=data))


def test_the_preview_shows_the_words_for_a_real_person(client, session, actor, account):
    people = campaigns.people(session, actor, 1)
    campaign = campaigns.campaign(session, actor, people)
    data = {"subject": "To {{ contact.name }}", "body": "**Dear** {{ contact.city }}", "person": str(people[0])}
    page = client.post(url(campaign, "preview"), data=data)
    assert "To Ann Bo" in text(page)
    assert "<strong>Dear</strong>" in page.get_data(as_text=True)
    assert "Missing for this person: contact.city" in text(page)


def test_a_withdrawn_offer_is_said_beside_the_offer(client, session, actor, clock):
    offer = loyalty.offer(session, actor, now=clock)
    campaign = campaigns.campaign(session, actor, offer_id=offer.id, now=clock)
    loyalty_services.withdraw_offer(session, actor, offer_id=offer.id, now=clock)
    assert "is over or was withdrawn" in text(client.get(url(campaign, "offer")))
    assert client.post(url(campaign, "offer"), data={"offer_id": str(offer.id)}).status_code == 422


def test_the_people_page_says_why_some_can_t_be_written_to(client, session, actor, account):
    people = [*campaigns.people(session, actor, 1), contact(session, actor, "Zita Neri").id]
    campaign = campaigns.campaign(session, actor, people)
    page = text(client.get(url(campaign, "people")))
    assert "1 of 2 can’t be written to" in page
    assert "There is no address on this channel." in page
    assert "Add or choose another address or channel." in page
    out = client.post(url(campaign, "pick"), data={"contact": str(people[1]), "mode": "removed"})
    assert out.status_code == 303
    assert "Left out by hand" in text(client.get(url(campaign, "people")))
    client.post(url(campaign, "pick"), data={"contact": str(people[1]), "mode": "forget"})


def test_the_review_goes_from_draft_to_draft(client, session, drafts):
    first, second, third = (campaigns.recipient(session, drafts, n) for n in range(3))
    page = text(client.get(url(drafts, "review")))
    assert "Good morning Ann" in page
    assert "Why Ann" in page
    assert "Picked by hand" in page
    approved = client.post(url(drafts, "review", first.id, "approve"))
    assert approved.location.endswith(f"review?at={second.id}")
    assert "Why? If you like" in client.get(url(drafts, f"review?at={second.id}&ask=skip")).get_data(as_text=True)
    skipped = client.post(url(drafts, "review", second.id, "skip"), data={"reason": "just bought"})
    assert skipped.location.endswith(f"review?at={third.id}")
    assert "just bought" in text(client.get(url(drafts, "review")))
    assert "Good morning Carl" in client.get(url(drafts, "review", third.id, "edit")).get_data(as_text=True)
    version = campaigns.message(session, drafts, 2).version
    data = {"subject": "Carl!", "body": "Only **for** you", "version": version}
    saved = client.post(url(drafts, "review", third.id, "edit"), data=data)
    assert saved.location.endswith(f"review?at={third.id}")
    assert text_of(session, third.message_id).body == "Only **for** you"
    assert "fd-only-here" in client.get(url(drafts, f"review?at={third.id}")).get_data(as_text=True)
    again = client.post(url(drafts, "review", third.id, "edit"), data=data)
    assert again.status_code == 422
    assert "Somebody else has changed this meanwhile." in text(again)
    rejected = client.post(url(drafts, "review", third.id, "reject"))
    assert rejected.location == url(drafts, "schedule")


def test_the_review_of_what_is_decided_asks_for_nothing_more(client, session, actor, drafts, clock):
    services.approve(session, actor, campaign_id=drafts.id, now=clock)
    page = text(client.get(url(drafts, "review")))
    assert "Choose when they leave" in page
    assert "May be sent" in page
    for message in campaigns.messages(session, drafts):
        message.state = "sent"
    session.flush()
    page = text(client.get(url(drafts, "review")))
    assert "Choose when they leave" not in page
    assert "May be sent" not in page


def test_the_keys_of_the_review_are_on_its_buttons(client, session, drafts):
    second = campaigns.recipient(session, drafts, 1)
    html = client.get(url(drafts, f"review?at={second.id}")).get_data(as_text=True)
    assert {"j", "k", "a", "e", "s"} <= set(re.findall(r'data-hotkey="(\w)"', html))


def test_promotions_without_a_postal_address_are_told_before_they_are_scheduled(
    client, session, actor, workspace, drafts, clock
):
    services.approve(session, actor, campaign_id=drafts.id, now=clock)
    workspace.postal_address = ""
    session.flush()
    assert "The postal address of your workspace is empty" in text(client.get(url(drafts, "schedule")))
    workspace.postal_address = "Via Roma 1, Forlì"
    session.flush()
    assert "postal address" not in text(client.get(url(drafts, "schedule")))


def test_a_time_in_the_past_is_refused_beside_its_field(client, session, actor, drafts, clock):
    services.approve(session, actor, campaign_id=drafts.id, now=clock)
    answer = client.post(url(drafts, "schedule"), data={"kind": "at", "on": "2020-01-01", "at": "10:00"})
    assert answer.status_code == 422
    assert 'id="at-error"' in answer.get_data(as_text=True)
    assert {message.state for message in campaigns.messages(session, drafts)} == {"approved"}


def test_pause_resume_and_cancel_from_the_page(client, session, actor, account, clock):
    campaign = campaigns.scheduled(session, actor, 2, now=clock)
    for action, word in (("pause", "paused"), ("resume", "scheduled"), ("cancel", "cancelled")):
        assert client.post(url(campaign, action)).status_code == 303
        assert word in text(client.get(url(campaign, "report")))
    assert client.post(url(campaign, "pause")).status_code == 409
    assert client.post(url(campaign, "delete")).location == "/campaigns"
    assert client.get(url(campaign, "report")).status_code == 404


def test_every_number_of_the_report_opens_the_people_behind_it(client, session, actor, account, clock):
    people = [*campaigns.people(session, actor, 2), contact(session, actor, "Zita Neri").id]
    campaign = campaigns.campaign(session, actor, people, now=clock)
    services.prepare(session, actor, campaign_id=campaign.id, now=clock)
    services.approve(session, actor, campaign_id=campaign.id, now=clock)
    services.cancel(session, actor, campaign_id=campaign.id, now=clock)
    html = client.get(url(campaign, "report")).get_data(as_text=True)
    links = set(re.findall(r"report\?open=(\w+)", html))
    assert {"sent", "waiting", "skipped", "held", "failed", "uncertain", "cancelled", "rejected", "holdout"} <= links
    assert "Zita Neri" in text(client.get(url(campaign, "report?open=skipped")))
    listed = text(client.get(url(campaign, "recipients?open=skipped")))
    assert "Zita Neri" in listed
    assert "Ann Bo" not in listed
    assert "Ann Bo" in text(client.get(url(campaign, "recipients")))


def test_throwing_the_drafts_away_opens_the_words_again(client, session, drafts):
    assert "The drafts are written" in text(client.get(url(drafts, "message")))
    assert "The drafts are written" in text(client.get(url(drafts, "people")))
    assert "The drafts are written" in text(client.get(url(drafts, "offer")))
    assert client.post(url(drafts, "discard")).location == url(drafts, "message")
    assert session.scalars(select(Recipient)).all() == []


def test_a_campaign_leads_to_where_it_goes_on(client, session, actor, account, clock):
    stages = {
        "people": campaigns.campaign(session, actor, now=clock),
        "review": campaigns.prepared(session, actor, 1, now=clock),
        "run": campaigns.scheduled(session, actor, 1, now=clock),
    }
    for page, campaign in stages.items():
        assert client.get(url(campaign)).location == url(campaign, page)
    assert client.get(url(stages["people"], "review")).location == url(stages["people"], "message")
    assert client.get(url(stages["people"], "report")).status_code == 303
    moving = client.get(url(stages["run"], "progress"))
    assert "hx-get" in moving.get_data(as_text=True)
    assert "HX-Refresh" not in moving.headers
    client.post(url(stages["run"], "cancel"))
    over = client.get(url(stages["run"], "progress"))
    assert "hx-get" not in over.get_data(as_text=True)
    assert over.headers["HX-Refresh"] == "true"


def test_an_offer_just_made_for_a_campaign_stands_chosen(client, session, actor, clock):
    campaign = campaigns.campaign(session, actor, now=clock)
    made = loyalty.offer(session, actor, now=clock)
    assert f'/loyalty/offers/new?next={url(campaign, "offer")}"' in client.get(url(campaign, "offer")).text
    page = client.get(url(campaign, "offer") + f"?offer_id={made.id}").text
    assert f'value="{made.id}" checked' in page


def test_another_workspace_s_campaign_is_nowhere(client, session, house, clock):
    foreign = make_house(session, name="Altra Bottega")
    outreach.account(session, foreign.actor)
    campaign = campaigns.prepared(session, foreign.actor, 1, now=clock)
    recipient = campaigns.recipient(session, campaign)
    enter_workspace(session, house.workspace.id)
    pages = ["", "people", "offer", "message", "review", "schedule", "run", "progress", "report", "recipients"]
    for page in pages:
        assert client.get(url(campaign, page).rstrip("/")).status_code == 404, page
    posts = [
        "people",
        "pick",
        "offer",
        "message",
        "preview",
        "discard",
        "approve",
        "schedule",
        "pause",
        "cancel",
        "delete",
        "name",
    ]
    for page in posts:
        data = {
            "name": "x",
            "contact": str(recipient.contact_id),
            "leavers": "stay",
            "holdout_percent": "0",
            "kind": "now",
        }
        assert client.post(url(campaign, page), data=data).status_code == 404, page
    for action in ("approve", "skip", "edit"):
        assert client.post(url(campaign, "review", recipient.id, action), data={"body": "x"}).status_code == 404
    enter_workspace(session, foreign.workspace.id)
    assert campaigns.message(session, campaign).state == "in_review"


def test_an_unknown_recipient_is_not_found(client, drafts):
    assert client.post(url(drafts, "review", new_id(), "approve")).status_code == 404
    assert client.get(url(drafts, "review", new_id(), "edit")).status_code == 404


def test_a_viewer_reads_without_buttons_and_a_till_sees_nothing(signed_in, session, house, drafts):
    viewer, _, actor = member(session, house, role=Role.VIEWER)
    browser = signed_in(House(house.workspace, viewer, actor))
    page = browser.get(url(drafts, "review"))
    assert page.status_code == 200
    assert "Approve" not in text(page)
    assert browser.post(url(drafts, "approve")).status_code == 403
    till, _, actor = member(session, house, role=Role.TILL)
    assert signed_in(House(house.workspace, till, actor)).get("/campaigns").status_code == 403


def test_a_missing_value_is_shown_and_edited_by_hand(client, session, actor, account, clock):
    campaign = campaigns.prepared(session, actor, 1, body="In {{ contact.city }}", now=clock)
    first = campaigns.recipient(session, campaign)
    page = text(client.get(url(campaign, "review")))
    assert "Something is missing" in page
    assert "contact.city" in page
    refused = client.post(url(campaign, "review", first.id, "approve"))
    assert refused.location.endswith(f"at={first.id}")
    assert campaigns.message(session, campaign).state == "held"


def test_the_second_person_is_asked_for(client, session, actor, workspace, drafts):
    workspace.second_approval = True
    session.flush()
    first = campaigns.recipient(session, drafts)
    client.post(url(drafts, "review", first.id, "approve"))
    assert "Somebody else must approve what you prepared." in text(client.get(url(drafts, "review")))


def test_times_are_read_in_the_workspace_s_zone(client, session, actor, drafts, clock):
    services.approve(session, actor, campaign_id=drafts.id, now=clock)
    day = (clock + timedelta(days=3)).date()
    client.post(url(drafts, "schedule"), data={"kind": "at", "on": day.isoformat(), "at": "10:00"})
    (message, *_rest) = campaigns.messages(session, drafts)
    local = message.due_at.astimezone(ZoneInfo("Europe/Rome"))
    assert (local.date(), local.hour) == (day, 10)
    assert "Choose another time" in client.get(url(drafts, "run")).get_data(as_text=True)
    assert "10:00" in client.get(url(drafts, "schedule")).get_data(as_text=True)


def test_a_promotion_that_waits_for_its_window_shows_when_it_leaves_and_why(client, session, actor, account, clock):
    campaign = campaigns.prepared(session, actor, 1, now=clock)
    services.approve(session, actor, campaign_id=campaign.id, now=clock)
    evening = (clock + timedelta(days=1)).astimezone(ZoneInfo("Europe/Rome")).replace(hour=22, minute=7)
    wanted = ScheduleInput(kind=ScheduleKind.AT, at=evening)
    services.schedule(session, actor, campaign_id=campaign.id, data=wanted, now=clock)
    assert campaigns.send(session, actor, account.id, now=evening) == []
    (message,) = campaigns.messages(session, campaign)
    leaves = message.due_at.astimezone(ZoneInfo("Europe/Rome"))
    assert (leaves.hour, leaves.minute) == (9, 0)
    run, listed = text(client.get(url(campaign, "run"))), text(client.get(url(campaign, "recipients")))
    person = text(client.get(f"/contacts/{message.contact_id}"))
    for page in (run, listed, person):
        assert "09:00" in page
        assert "22:07. It is outside the sending hours where this person lives." in page


def test_the_choice_of_each_persons_owner_is_kept(client, session, actor, account, now):
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 1, now=now), now=now)
    words = {"purpose": "personal", "channel": "email", "account_id": "owner", "subject": "Ciao", "body": "Ciao."}
    assert 'value="owner"' in client.get(url(campaign, "message")).text
    assert client.post(url(campaign, "message"), data=words).status_code == 303
    session.refresh(campaign)
    assert (campaign.from_owner, campaign.account_id) == (True, None)
