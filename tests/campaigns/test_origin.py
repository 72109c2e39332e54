"""Where deals came from: the last campaign that wrote, said or confirmed by a person, and what it has won."""

from datetime import timedelta

import pytest
from factories.campaigns import prepared, recipient
from factories.deals import NOW, deal, moved, pipeline
from sqlalchemy import update

from crm.campaigns import queries, services
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message


@pytest.fixture
def written(session, actor, account):
    """A campaign that wrote to a person two days ago: (campaign, contact id)."""
    campaign = prepared(session, actor, 1, now=NOW)
    row = recipient(session, campaign)
    session.execute(
        update(Message)
        .where(Message.id == row.message_id)
        .values(state=MessageState.SENT.value, sent_at=NOW - timedelta(days=2))
    )
    pipeline(session, actor)
    return campaign, row.contact_id


def test_the_last_campaign_that_wrote_is_suggested_and_counts_once_it_is_confirmed(session, actor, written):
    campaign, contact_id = written
    made = deal(session, actor, contact_id=contact_id, amount_minor=4_200)
    found = queries.origin_of(session, actor, deal_id=made.id, contact_id=contact_id)
    assert (found.campaign_id, found.is_confirmed) == (campaign.id, False)
    moved(session, actor, made.id, "Won")
    (won,) = queries.won_deals(session, actor, campaign_id=campaign.id)
    assert (won.count, won.amount_minor, won.unsure) == (0, 0, 1)
    services.name_origin(session, actor, deal_id=made.id, campaign_id=campaign.id, now=NOW)
    (won,) = queries.won_deals(session, actor, campaign_id=campaign.id)
    assert (won.count, won.amount_minor, won.unsure) == (1, 4_200, 0)
    moved(session, actor, made.id, "Offer")
    assert queries.won_deals(session, actor, campaign_id=campaign.id) == []
    services.name_origin(session, actor, deal_id=made.id, campaign_id=None, now=NOW)
    assert not queries.origin_of(session, actor, deal_id=made.id, contact_id=contact_id).is_confirmed


def test_a_campaign_that_wrote_after_the_deal_or_long_before_it_is_not_suggested(session, actor, written):
    _campaign, contact_id = written
    for at in (NOW - timedelta(days=3), NOW + timedelta(days=120)):
        made = deal(session, actor, contact_id=contact_id, now=at)
        assert queries.origin_of(session, actor, deal_id=made.id, contact_id=contact_id) is None


def test_the_page_of_a_deal_asks_and_the_report_shows_what_was_won(session, actor, client, written):
    campaign, contact_id = written
    made = deal(session, actor, contact_id=contact_id)
    page = client.get(f"/deals/{made.id}").text
    assert "a suggestion" in page
    assert client.post(f"/deals/{made.id}/origin", data={"campaign_id": str(campaign.id)}).status_code == 303
    assert campaign.name in client.get(f"/deals/{made.id}").text
    assert client.post(f"/deals/{made.id}/origin", data={"campaign_id": "nonsense"}).status_code == 422
