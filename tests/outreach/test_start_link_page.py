"""The page that makes a start link: offered where a bot may not write yet, and nowhere else."""

import re

import pytest
from factories import outreach
from sqlalchemy import update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.channels.base import ChannelKind
from crm.contacts.services import add_handle


@pytest.fixture
def ann(session, actor, now):
    return outreach.person(session, actor, now=now)


@pytest.fixture
def bot(session, actor, now):
    return outreach.api_account(
        session, actor, ChannelKind.TELEGRAM, address="lanterna_bot", config={}, secret={"token": "x"}, now=now
    )


def test_a_link_is_made_for_one_person_and_can_be_copied(client, bot, ann):
    assert f"/contacts/{ann}/start-link" in client.get(f"/contacts/{ann}").text
    whole = client.post(f"/contacts/{ann}/start-link")
    link = re.search(r'href="(https://t\.me/lanterna_bot\?start=[A-Za-z0-9_-]{32})"', whole.text)
    assert link
    part = client.post(f"/contacts/{ann}/start-link", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    # Only a digest is kept, so the next one is another.
    assert link[1] not in part.text
    assert "t.me/lanterna_bot?start=" in part.text


def test_who_has_started_the_bot_needs_no_link(client, session, actor, bot, ann, now):
    handle = add_handle(session, actor, channel=ChannelKind.TELEGRAM, address="@ann_bo", contact_id=ann, now=now)
    handle.platform_id = "42"
    session.flush()
    assert "start-link" not in client.get(f"/contacts/{ann}").text
    answer = client.post(f"/contacts/{ann}/start-link")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/contacts/{ann}")


def test_without_a_bot_nothing_is_offered(client, ann):
    assert "start-link" not in client.get(f"/contacts/{ann}").text


def test_who_may_not_write_makes_no_link(client, session, house, bot, ann):
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.flush()
    assert client.post(f"/contacts/{ann}/start-link").status_code == 403
