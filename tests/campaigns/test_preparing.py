"""The preparation freezes the audience, allocates codes, holds what lacks a value, and keeps the why."""

from datetime import timedelta

import pytest
from factories import campaigns, loyalty, outreach
from factories.accounts import member
from factories.contacts import consent, contact, interaction
from sqlalchemy import func, select

from crm.accounts.kinds import Role
from crm.campaigns import queries, services
from crm.campaigns.inputs import PeopleInput, ScheduleInput, TextInput, WordsInput
from crm.campaigns.kinds import LeaverPolicy, Outcome
from crm.campaigns.models import Recipient
from crm.contacts import services as contacts
from crm.errors import InvalidInputError
from crm.loyalty import services as loyalty_services
from crm.loyalty.kinds import VoucherState
from crm.loyalty.models import Voucher
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.services.drafts import text_of

CODE = "Good morning {{ contact.first_name }}, {{ offer.value }} with {{ voucher.code }}."


def outcomes(session, actor, campaign, now) -> dict[Outcome, int]:
    return {kind: n for kind, n in queries.report(session, actor, campaign=campaign).outcomes.items() if n}


def vouchers(session, campaign) -> list[Voucher]:
    return list(
        session.scalars(
            select(Voucher).where(Voucher.source_id == campaign.id).execution_options(populate_existing=True)
        )
    )


def test_everybody_gets_one_draft_in_review_filled_for_them(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 3)
    found = campaigns.messages(session, campaign)
    assert [message.state for message in found] == ["in_review"] * 3
    assert text_of(session, found[1].id).subject == "First of all, Bea"
    assert text_of(session, found[1].id).body.startswith("Good morning Bea,")
    assert {message.account_id for message in found} == {account.id}
    assert {message.batch_id for message in found} == {campaign.batch_id}
    assert {message.stop_if_replied_since for message in found} == {now}
    assert outcomes(session, actor, campaign, now) == {Outcome.WAITING: 3}


def test_those_whom_the_gate_never_lets_through_are_skipped_with_the_reason_and_get_no_code(
    session, actor, account, now
):
    offer = loyalty.offer(session, actor)
    people = [*campaigns.people(session, actor, 2), contact(session, actor, "Zita Neri").id]
    campaign = campaigns.campaign(session, actor, people, body=CODE, offer_id=offer.id)
    prepared = services.prepare(session, actor, campaign_id=campaign.id, now=now)
    assert (prepared.drafted, prepared.skipped, prepared.held_out, prepared.missing) == (2, 1, 0, 0)
    skipped = queries.recipients(session, actor, campaign=campaign, outcome=Outcome.SKIPPED).items
    assert [(line.name, line.reason) for line in skipped] == [("Zita Neri", "no_handle")]
    assert len(vouchers(session, campaign)) == 2


def test_a_missing_value_holds_that_person_alone(session, actor, account, now):
    people = [
        outreach.person(session, actor, "Ann Bo", email="ann@example.com"),
        contact(session, actor, "Bea Conti", email="bea@example.com", city="Siena").id,
    ]
    consent(session, actor, people[1])
    campaign = campaigns.campaign(session, actor, people, body="In {{ contact.city }} it rains.")
    prepared = services.prepare(session, actor, campaign_id=campaign.id, now=now)
    assert (prepared.drafted, prepared.missing) == (2, 1)
    held, fine = queries.queue(session, actor, campaign=campaign)
    assert (held.outcome, held.reason, held.missing) == (Outcome.HELD, "missing_values", ("contact.city",))
    assert held.waits_for_review
    assert fine.message_state is MessageState.IN_REVIEW


def test_everybody_has_a_code_of_their_own_that_works_only_once_it_left(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    campaign = campaigns.prepared(session, actor, 3, body=CODE, offer_id=offer.id)
    made = vouchers(session, campaign)
    assert {voucher.state for voucher in made} == {VoucherState.ALLOCATED}
    assert len({voucher.code for voucher in made}) == 3
    for message in campaigns.messages(session, campaign):
        voucher = session.get_one(Voucher, message.voucher_id)
        assert voucher.contact_id == message.contact_id
        assert voucher.code in text_of(session, message.id).body.replace("-", "").replace("\\", "")
    services.approve(session, actor, campaign_id=campaign.id, now=now)
    services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput(), now=now)
    campaigns.send(session, actor, account.id, now=now + timedelta(seconds=20))
    assert {voucher.state for voucher in vouchers(session, campaign)} == {VoucherState.ACTIVE}


def test_discarding_the_drafts_takes_the_codes_back_and_opens_the_steps_again(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    campaign = campaigns.prepared(session, actor, 2, body=CODE, offer_id=offer.id)
    services.discard(session, actor, campaign_id=campaign.id, now=now)
    assert {voucher.state for voucher in vouchers(session, campaign)} == {VoucherState.RELEASED}
    assert session.scalar(select(func.count()).select_from(Recipient).where(Recipient.campaign_id == campaign.id)) == 0
    assert set(session.scalars(select(Message.state))) == {"cancelled"}
    again = services.prepare(session, actor, campaign_id=campaign.id, now=now)
    assert again.drafted == 2
    assert len([each for each in vouchers(session, campaign) if each.state == VoucherState.ALLOCATED]) == 2


def test_who_had_the_offer_already_is_skipped(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    people = campaigns.people(session, actor, 2)
    loyalty.voucher(session, actor, offer_id=offer.id, contact_id=people[0])
    campaign = campaigns.campaign(session, actor, people, body=CODE, offer_id=offer.id)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    skipped = queries.recipients(session, actor, campaign=campaign, outcome=Outcome.SKIPPED).items
    assert [(line.contact_id, line.reason) for line in skipped] == [(people[0], "offer_limit")]


def test_an_offer_withdrawn_before_the_preparation_stops_it_and_afterwards_cancels_what_waits(
    session, actor, account, now
):
    offer = loyalty.offer(session, actor)
    waiting = campaigns.prepared(session, actor, 2, body=CODE, offer_id=offer.id)
    late = campaigns.campaign(session, actor, campaigns.people(session, actor, 1), body=CODE, offer_id=offer.id)
    loyalty_services.withdraw_offer(session, actor, offer_id=offer.id, now=now)
    assert outcomes(session, actor, waiting, now) == {Outcome.CANCELLED: 2}
    lines = queries.recipients(session, actor, campaign=waiting).items
    assert {line.reason for line in lines} == {"offer_withdrawn"}
    with pytest.raises(InvalidInputError) as caught:
        services.prepare(session, actor, campaign_id=late.id, now=now)
    assert list(caught.value.fields) == ["offer_id"]


def test_a_held_out_share_gets_nothing_and_no_code(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 10), body=CODE, offer_id=offer.id)
    data = PeopleInput(holdout_percent=30)
    services.choose_people(session, actor, campaign_id=campaign.id, data=data, now=now)
    prepared = services.prepare(session, actor, campaign_id=campaign.id, now=now)
    assert (prepared.drafted, prepared.held_out) == (7, 3)
    assert len(vouchers(session, campaign)) == 7
    assert outcomes(session, actor, campaign, now) == {Outcome.WAITING: 7, Outcome.HOLDOUT: 3}


def test_joiners_are_not_added_after_the_preparation(session, actor, account, now):
    rule = {"all": [{"field": "city", "op": "is", "value": "Siena"}]}
    first = contact(session, actor, "Ann Bo", email="ann@example.com", city="Siena").id
    consent(session, actor, first)
    segment = campaigns.segment(session, actor, rule)
    campaign = campaigns.campaign(session, actor, segment_id=segment.id)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    joiner = contact(session, actor, "Bea Conti", email="bea@example.com", city="Siena").id
    consent(session, actor, joiner)
    assert [line.contact_id for line in queries.queue(session, actor, campaign=campaign)] == [first]


@pytest.mark.parametrize(("role", "allowed"), [(Role.OWNER, True), (Role.MANAGER, True), (Role.SALES, False)])
def test_more_people_than_the_workspace_allows_need_a_manager(session, house, workspace, account, now, role, allowed):
    workspace.audience_limit = 2
    session.flush()
    _, _, somebody = member(session, house, role=role)
    campaign = campaigns.campaign(session, house.actor, campaigns.people(session, house.actor, 3))
    if allowed:
        assert services.prepare(session, somebody, campaign_id=campaign.id, now=now).drafted == 3
    else:
        with pytest.raises(services.AudienceTooLargeError) as caught:
            services.prepare(session, somebody, campaign_id=campaign.id, now=now)
        assert list(caught.value.fields) == ["people"]
        assert queries.queue(session, house.actor, campaign=campaign) == []


def test_a_campaign_for_nobody_or_without_an_account_is_not_prepared(session, actor, now):
    nobody = campaigns.campaign(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.prepare(session, actor, campaign_id=nobody.id, now=now)
    assert list(caught.value.fields) == ["account_id"]
    outreach.account(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.prepare(session, actor, campaign_id=nobody.id, now=now)
    assert list(caught.value.fields) == ["people"]
    mute = campaigns.campaign(session, actor, [contact(session, actor, "Zita Neri").id])
    with pytest.raises(InvalidInputError, match="None of these people"):
        services.prepare(session, actor, campaign_id=mute.id, now=now)


def test_each_person_is_written_to_in_their_language_and_falls_back_to_the_first_text(session, actor, account, now):
    people = {
        language: contact(session, actor, f"Person {language}", email=f"{language}@example.com", language=language).id
        for language in ("it", "en", "de")
    }
    for contact_id in people.values():
        consent(session, actor, contact_id)
    campaign = campaigns.campaign(session, actor, list(people.values()))
    words = WordsInput(
        texts=[TextInput(subject="Hi", body="Hello"), TextInput(language="it", subject="Ciao", body="Buongiorno")]
    )
    services.write_words(session, actor, campaign_id=campaign.id, data=words, now=now)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    bodies = {
        message.contact_id: text_of(session, message.id).body for message in campaigns.messages(session, campaign)
    }
    assert {language: bodies[contact_id] for language, contact_id in people.items()} == {
        "it": "Buongiorno",
        "en": "Hello",
        "de": "Hello",
    }


def test_the_why_keeps_the_rules_with_the_values_seen_and_what_else_a_reviewer_needs(session, actor, account, now):
    person = contact(session, actor, "Ann Bo", email="ann@example.com", city="Siena", lifecycle="customer").id
    consent(session, actor, person)
    for days in range(7):
        interaction(session, actor, person, "call", happened_at=now - timedelta(days=days + 5))
    rule = {
        "all": [
            {"any": [{"field": "city", "op": "is", "value": "Siena"}, {"field": "city", "op": "is", "value": "Lucca"}]},
            {"not": {"field": "lifecycle", "op": "any_of", "value": ["past"]}},
        ]
    }
    segment = campaigns.segment(session, actor, rule)
    campaign = campaigns.campaign(session, actor, segment_id=segment.id)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    why = text_of(session, campaigns.message(session, campaign).id).why
    assert [line["seen"] for line in why["rules"]] == ["Siena", None]
    assert [entry["kind"] for entry in why["interactions"]] == ["consent.changed", *["call"] * 4]
    assert why["interactions"][1]["at"] == (now - timedelta(days=5)).isoformat()
    assert why["basis"]["basis"] == "consent"
    assert why["budget"] == {"used": 0, "limit": 2}
    assert (why["picked"], why["planned"]) == (False, [])
    shown = queries.worded(session, actor, why=why)
    assert [(line.label, line.seen) for line in shown] == [("City", "Siena"), ("", "")]
    assert "Siena" in shown[0].rule


def test_a_rule_whose_field_is_gone_is_left_out_of_the_why(session, actor):
    why = {"rules": [{"rule": {"field": "no_such_field", "op": "is", "value": 1}, "seen": 1}]}
    assert queries.worded(session, actor, why=why) == []


def test_the_preview_shows_a_real_person_a_sample_code_and_allocates_nothing(session, actor, account, now):
    offer = loyalty.offer(session, actor)
    people = campaigns.people(session, actor, 1)
    campaign = campaigns.campaign(session, actor, people, body=CODE, offer_id=offer.id)
    shown = services.preview(
        session,
        actor,
        campaign_id=campaign.id,
        contact_id=people[0],
        subject="For {{ contact.name }}",
        body=CODE,
        now=now,
    )
    assert (shown.subject, shown.missing) == ("For Ann Bo", ())
    assert "Good morning Ann, 20% with XXXX-XXXX" in shown.text
    assert vouchers(session, campaign) == []
    with pytest.raises(InvalidInputError) as caught:
        services.preview(
            session, actor, campaign_id=campaign.id, contact_id=people[0], subject="", body="{{ oops }}", now=now
        )
    assert list(caught.value.fields) == ["body"]


@pytest.mark.parametrize(("policy", "expected"), [(LeaverPolicy.STAY, "scheduled"), (LeaverPolicy.STOP, "skipped")])
def test_who_leaves_the_segment_is_stopped_only_where_the_campaign_says_so(
    session, actor, account, now, policy, expected
):
    people = [
        contact(session, actor, name, email=f"{name[:3]}@example.com", city="Siena") for name in campaigns.NAMES[:2]
    ]
    for person in people:
        consent(session, actor, person.id)
    rule = {"all": [{"field": "city", "op": "is", "value": "Siena"}]}
    picked = campaigns.people(session, actor, 4)[3]
    campaign = campaigns.campaign(session, actor, [picked], segment_id=campaigns.segment(session, actor, rule).id)
    data = PeopleInput(segment_id=campaign.segment_id, leavers=policy)
    services.choose_people(session, actor, campaign_id=campaign.id, data=data, now=now)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    services.approve(session, actor, campaign_id=campaign.id, now=now)
    contacts.update(session, actor, contact_id=people[0].id, changes={"city": "Lucca"}, now=now)
    services.schedule(session, actor, campaign_id=campaign.id, data=ScheduleInput(), now=now)
    states = {message.contact_id: (message.state, message.reason) for message in campaigns.messages(session, campaign)}
    assert states[people[0].id] == (expected, "left_segment" if expected == "skipped" else "")
    assert states[people[1].id][0] == states[picked][0] == "scheduled"
