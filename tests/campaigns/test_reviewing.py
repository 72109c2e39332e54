"""The review: edit, approve, skip, reject, all unchanged at once, and the second person."""

import pytest
from factories import campaigns
from factories.accounts import member
from factories.contacts import contact

from crm.accounts.kinds import Role
from crm.campaigns import queries, services
from crm.db import new_id
from crm.errors import ConflictError, ForbiddenError, InvalidInputError
from crm.outreach.services.drafts import text_of


def test_an_edited_text_is_that_person_s_alone_and_waits_for_its_own_approval(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 3)
    first = campaigns.recipient(session, campaign)
    services.edit(
        session, actor, campaign_id=campaign.id, recipient_id=first.id, subject="Ann!", body="Only for you.", now=now
    )
    assert text_of(session, first.message_id).body == "Only for you."
    assert text_of(session, campaigns.message(session, campaign, 1).id).body.startswith("Good morning Bea")
    changed = services.approve(session, actor, campaign_id=campaign.id, now=now)
    assert len(changed.done) == 2
    assert [message.state for message in campaigns.messages(session, campaign)] == ["in_review", "approved", "approved"]
    services.approve(session, actor, campaign_id=campaign.id, recipient_ids=[first.id], now=now)
    assert campaigns.message(session, campaign).state == "approved"


def test_a_text_changed_after_its_approval_must_be_approved_again(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 1)
    first = campaigns.recipient(session, campaign)
    services.approve(session, actor, campaign_id=campaign.id, recipient_ids=[first.id], now=now)
    services.edit(session, actor, campaign_id=campaign.id, recipient_id=first.id, subject="A", body="B", now=now)
    message = campaigns.message(session, campaign)
    assert (message.state, message.approved_hash) == ("in_review", None)


def test_two_reviewers_of_one_draft_do_not_overwrite_each_other(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 1)
    first = campaigns.recipient(session, campaign)
    seen = queries.recipient(session, actor, campaign=campaign, recipient_id=first.id).version
    common = {"campaign_id": campaign.id, "recipient_id": first.id, "subject": "A", "expected_version": seen}
    services.edit(session, actor, body="mine", now=now, **common)
    with pytest.raises(ConflictError):
        services.edit(session, actor, body="yours", now=now, **common)
    assert text_of(session, first.message_id).body == "mine"


def test_an_empty_text_is_refused_beside_its_field(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 1)
    first = campaigns.recipient(session, campaign)
    with pytest.raises(InvalidInputError) as caught:
        services.edit(session, actor, campaign_id=campaign.id, recipient_id=first.id, subject="A", body=" ", now=now)
    assert list(caught.value.fields) == ["body"]


def test_skip_and_reject_keep_the_reviewer_s_words(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 3)
    ids = [campaigns.recipient(session, campaign, n).id for n in range(3)]
    services.skip(session, actor, campaign_id=campaign.id, recipient_ids=ids[:1], reason="  just\nbought ", now=now)
    services.reject(session, actor, campaign_id=campaign.id, recipient_ids=ids[1:2], now=now)
    found = [(message.state, message.reason) for message in campaigns.messages(session, campaign)]
    assert found == [("skipped", "just bought"), ("rejected", "by_hand"), ("in_review", "")]


def test_filling_in_by_hand_what_was_missing_frees_the_draft(session, actor, account, now):
    campaign = campaigns.prepared(session, actor, 1, body="In {{ contact.city }} it rains.")
    first = campaigns.recipient(session, campaign)
    refused = services.approve(session, actor, campaign_id=campaign.id, recipient_ids=[first.id], now=now).refused
    assert list(refused.values()) == ["other_state"]
    services.edit(session, actor, campaign_id=campaign.id, recipient_id=first.id, subject="A", body="In Siena", now=now)
    services.approve(session, actor, campaign_id=campaign.id, recipient_ids=[first.id], now=now)
    assert campaigns.message(session, campaign).state == "approved"


def test_the_workspace_can_ask_for_a_second_person(session, house, workspace, actor, account, now):
    workspace.second_approval = True
    session.flush()
    campaign = campaigns.prepared(session, actor, 2)
    refused = services.approve(session, actor, campaign_id=campaign.id, now=now).refused
    assert list(refused.values()) == ["own", "own"]
    _, _, colleague = member(session, house, role=Role.SALES)
    assert len(services.approve(session, colleague, campaign_id=campaign.id, now=now).done) == 2


def test_only_who_may_approve_approves(session, house, actor, account, now):
    campaign = campaigns.prepared(session, actor, 1)
    _, _, viewer = member(session, house, role=Role.VIEWER)
    with pytest.raises(ForbiddenError):
        services.approve(session, viewer, campaign_id=campaign.id, now=now)


def test_a_recipient_of_another_campaign_does_not_exist_here(session, actor, account, now):
    mine, other = campaigns.prepared(session, actor, 1), campaigns.prepared(session, actor, 1)
    foreign = campaigns.recipient(session, other)
    for recipient_id in (foreign.id, new_id()):
        with pytest.raises(queries.RecipientNotFoundError):
            services.approve(session, actor, campaign_id=mine.id, recipient_ids=[recipient_id], now=now)
        with pytest.raises(queries.RecipientNotFoundError):
            queries.recipient(session, actor, campaign=mine, recipient_id=recipient_id)


def test_a_person_skipped_at_the_preparation_has_no_draft_to_approve(session, actor, account, now):
    people = [*campaigns.people(session, actor, 1), contact(session, actor, "Zita Neri").id]
    campaign = campaigns.campaign(session, actor, people)
    services.prepare(session, actor, campaign_id=campaign.id, now=now)
    skipped = campaigns.recipient(session, campaign, 1)
    with pytest.raises(queries.RecipientNotFoundError):
        services.approve(session, actor, campaign_id=campaign.id, recipient_ids=[skipped.id], now=now)
