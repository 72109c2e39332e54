"""Setting a campaign up: people, offer and words, and what is refused beside which field."""

from datetime import timedelta

import pytest
from factories import campaigns, loyalty
from factories.accounts import member
from factories.contacts import contact

from crm.accounts.kinds import Role
from crm.campaigns import queries, services
from crm.campaigns.inputs import PeopleInput, TextInput, WordsInput
from crm.channels.base import ChannelKind
from crm.contacts.queries import ContactNotFoundError
from crm.errors import ForbiddenError, InvalidInputError
from crm.loyalty import services as loyalty_services
from crm.outreach.rules import Reason, Way

TUSCANS = {"all": [{"field": "city", "op": "is", "value": "Siena"}]}


def words(body: str = campaigns.BODY, subject: str = campaigns.SUBJECT, **more: str) -> WordsInput:
    texts = [TextInput(subject=subject, body=body)]
    texts += [TextInput(language=language, subject=subject, body=other) for language, other in more.items()]
    return WordsInput(texts=texts)


def names(session, actor, campaign, now) -> list[str]:
    found = queries.people(session, actor, campaign=campaign, now=now)
    return [person.contact.display_name for person in found.candidates]


def test_the_people_are_those_of_the_segment_and_the_picks_without_those_taken_out(session, actor, now):
    siena = [contact(session, actor, name, city="Siena").id for name in ("Ann Bo", "Carl Dini")]
    picked = contact(session, actor, "Bea Conti", city="Lucca").id
    segment = campaigns.segment(session, actor, TUSCANS)
    campaign = services.create(
        session, actor, name="  Preview   of it ", segment_id=segment.id, contact_ids=[picked], now=now
    )
    assert campaign.name == "Preview of it"
    assert names(session, actor, campaign, now) == ["Ann Bo", "Bea Conti", "Carl Dini"]
    services.take_out(session, actor, campaign_id=campaign.id, contact_ids=[siena[0], picked], now=now)
    assert names(session, actor, campaign, now) == ["Carl Dini"]
    assert [row.display_name for row in queries.taken_out(session, actor, campaign=campaign)] == ["Ann Bo", "Bea Conti"]
    services.forget_pick(session, actor, campaign_id=campaign.id, contact_id=siena[0], now=now)
    services.pick(session, actor, campaign_id=campaign.id, contact_ids=[picked], now=now)
    assert names(session, actor, campaign, now) == ["Ann Bo", "Bea Conti", "Carl Dini"]


def test_the_gate_s_verdict_comes_with_the_reason_and_the_way_forward(session, actor, account, now):
    reachable = campaigns.people(session, actor, 1)
    mute = contact(session, actor, "Zita Neri")
    refused = [contact(session, actor, f"Yan {n}", email=f"yan{n}@example.com").id for n in range(2)]
    campaign = campaigns.campaign(session, actor, [*reachable, mute.id, *refused])
    found = queries.people(session, actor, campaign=campaign, now=now)
    assert (len(found.candidates), found.writable) == (4, 1)
    assert [(each.reason, each.way, each.count, each.waits) for each in found.obstacles] == [
        (Reason.CONSENT_MISSING, Way.ASK_CONSENT, 2, False),
        (Reason.NO_HANDLE, Way.OTHER_ADDRESS, 1, False),
    ]
    assert found.obstacles[1].names == ("Zita Neri",)


def test_hours_that_pass_by_themselves_are_no_obstacle(session, actor, account, now):
    campaign = campaigns.campaign(session, actor, campaigns.people(session, actor, 2))
    evening = now + timedelta(hours=12)
    found = queries.people(session, actor, campaign=campaign, now=evening)
    assert (found.writable, found.obstacles) == (2, [])
    assert {person.verdict.reason for person in found.candidates} == {Reason.OUTSIDE_WINDOW}


def test_a_salesperson_counts_only_whom_they_may_see(session, house, actor, now):
    user, _, sales = member(session, house, role=Role.SALES)
    other, _, _ = member(session, house, role=Role.COMMUNITY)
    contact(session, actor, "Ann Bo", city="Siena", owner_id=user.id)
    hidden = contact(session, actor, "Bea Conti", city="Siena", owner_id=other.id)
    segment = campaigns.segment(session, actor, TUSCANS)
    campaign = services.create(session, sales, name="Mine", segment_id=segment.id, now=now)
    assert "Ann Bo" in names(session, sales, campaign, now)
    if "Bea Conti" not in names(session, sales, campaign, now):
        with pytest.raises(ContactNotFoundError):
            services.pick(session, sales, campaign_id=campaign.id, contact_ids=[hidden.id], now=now)


@pytest.mark.parametrize(
    ("subject", "body", "field"),
    [
        ("", "Text", "subject"),
        ("Subject", "  ", "body"),
        ("Subject", "{{ contact.first_name", "body"),
        ("Subject", "{% if %}", "body"),
        ("{{ contact.name | nosuchfilter }}", "Text", "subject"),
        ("Subject", "{{ contact.firstname }}", "body"),
        ("Subject", "{{ voucher.code }}", "body"),
    ],
)
def test_a_text_that_can_t_be_used_is_refused_beside_its_field(session, actor, now, subject, body, field):
    campaign = campaigns.campaign(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.write_words(session, actor, campaign_id=campaign.id, data=words(body, subject), now=now)
    assert list(caught.value.fields) == [field]
    assert queries.texts(session, campaign)[""].body == campaigns.BODY


def test_a_misspelt_variable_is_refused_with_the_nearest_name(session, actor, now):
    campaign = campaigns.campaign(session, actor)
    with pytest.raises(InvalidInputError, match=r"contact\.first_name"):
        services.write_words(session, actor, campaign_id=campaign.id, data=words("{{ contact.frist_name }}"), now=now)


def test_the_error_of_another_language_stands_beside_that_language(session, actor, now):
    campaign = campaigns.campaign(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.write_words(session, actor, campaign_id=campaign.id, data=words(it="{{ contact.nome }}"), now=now)
    assert list(caught.value.fields) == ["body_it"]


def test_a_language_that_is_not_given_any_more_is_removed(session, actor, now):
    campaign = campaigns.campaign(session, actor)
    services.write_words(session, actor, campaign_id=campaign.id, data=words(it="Ciao"), now=now)
    assert set(queries.texts(session, campaign)) == {"", "it"}
    services.write_words(session, actor, campaign_id=campaign.id, data=words(), now=now)
    assert set(queries.texts(session, campaign)) == {""}


def test_an_account_of_another_channel_is_refused_beside_its_field(session, actor, account, now):
    campaign = campaigns.campaign(session, actor)
    data = WordsInput(
        channel=ChannelKind.WHATSAPP, account_id=account.id, texts=[TextInput(subject="", body="Good morning")]
    )
    with pytest.raises(InvalidInputError) as caught:
        services.write_words(session, actor, campaign_id=campaign.id, data=data, now=now)
    assert list(caught.value.fields) == ["account_id"]


def test_a_withdrawn_offer_can_t_be_chosen(session, actor, now):
    offer = loyalty.offer(session, actor)
    loyalty_services.withdraw_offer(session, actor, offer_id=offer.id, now=now)
    campaign = campaigns.campaign(session, actor)
    with pytest.raises(InvalidInputError) as caught:
        services.choose_offer(session, actor, campaign_id=campaign.id, offer_id=offer.id, now=now)
    assert list(caught.value.fields) == ["offer_id"]


def test_nothing_can_be_changed_once_the_drafts_are_written(session, actor, account, now):
    campaign = campaigns.prepared(session, actor)
    with pytest.raises(services.WrongStageError):
        services.write_words(session, actor, campaign_id=campaign.id, data=words(), now=now)
    with pytest.raises(services.WrongStageError):
        services.choose_people(session, actor, campaign_id=campaign.id, data=PeopleInput(), now=now)
    with pytest.raises(services.WrongStageError):
        services.pick(session, actor, campaign_id=campaign.id, contact_ids=campaigns.people(session, actor, 1), now=now)
    assert services.rename(session, actor, campaign_id=campaign.id, name="Other", now=now).name == "Other"


def test_a_viewer_reads_and_changes_nothing(session, house, actor, now):
    campaign = campaigns.campaign(session, actor)
    _, _, viewer = member(session, house, role=Role.VIEWER)
    assert queries.campaign(session, viewer, campaign_id=campaign.id).id == campaign.id
    with pytest.raises(ForbiddenError):
        services.rename(session, viewer, campaign_id=campaign.id, name="Other", now=now)
    with pytest.raises(ForbiddenError):
        services.create(session, viewer, name="Other", now=now)


def test_another_workspace_s_campaign_does_not_exist(session, house, other_house, now):
    from crm.db import enter_workspace

    campaign = campaigns.campaign(session, house.actor)
    enter_workspace(session, other_house.workspace.id)
    with pytest.raises(queries.CampaignNotFoundError):
        queries.campaign(session, other_house.actor, campaign_id=campaign.id)
    with pytest.raises(queries.CampaignNotFoundError):
        services.rename(session, other_house.actor, campaign_id=campaign.id, name="Mine", now=now)


def test_a_running_campaign_can_t_be_removed_a_draft_can(session, actor, account, now):
    running = campaigns.scheduled(session, actor, 1)
    with pytest.raises(services.WrongStageError):
        services.remove(session, actor, campaign_id=running.id, now=now)
    services.cancel(session, actor, campaign_id=running.id, now=now)
    draft = campaigns.campaign(session, actor)
    for campaign in (running, draft):
        services.remove(session, actor, campaign_id=campaign.id, now=now)
        with pytest.raises(queries.CampaignNotFoundError):
            queries.campaign(session, actor, campaign_id=campaign.id)
    assert queries.campaigns(session, actor, now=now).items == []
