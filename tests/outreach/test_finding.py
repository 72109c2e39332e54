"""The search for messages: threads by their subject, of people one may see."""

from datetime import timedelta

import pytest
from factories import outreach as factory
from factories.contacts import NOW, contact

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.outreach.models import Conversation
from crm.outreach.queries import finding
from crm.outreach.queries.finding import find_threads


@pytest.fixture
def threads(session, actor):
    account = factory.account(session, actor, now=NOW)
    ann = contact(session, actor, "Ann Bo")
    for hours, subject in enumerate(("Novità di Natale 100%", "Il preventivo", "Novità sul preventivo", "")):
        talk = Conversation(
            channel=ChannelKind.EMAIL,
            account_id=account.id,
            contact_id=ann.id,
            subject=subject,
            last_at=NOW - timedelta(hours=hours),
        )
        session.add(talk)
    session.flush()
    return ann


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("novita", ["Novità di Natale 100%", "Novità sul preventivo"]),
        ("PREVENT novi", ["Novità sul preventivo"]),
        ("100%", ["Novità di Natale 100%"]),
        ("prevemtivo", ["Il preventivo", "Novità sul preventivo"]),
        ("nattale", ["Novità di Natale 100%"]),
        ("%%%", []),
        ("no", []),
        ("", []),
    ],
)
def test_a_thread_is_found_by_the_words_of_its_subject_the_newest_first(session, actor, threads, text, found):
    assert [hit.subject for hit in find_threads(session, actor, text=text)] == found


def test_a_thread_is_found_behind_any_number_of_newer_ones(session, actor, threads, monkeypatch):
    monkeypatch.setattr(finding, "LOOKED_THROUGH", 1)
    assert [hit.subject for hit in find_threads(session, actor, text="sul")] == ["Novità sul preventivo"]


def test_words_too_common_for_the_index_are_looked_for_in_the_newest_threads(session, actor, threads, monkeypatch):
    monkeypatch.setattr(finding, "within_time", lambda *_given: None)
    found = find_threads(session, actor, text="NOVITÀ")
    assert [hit.subject for hit in found] == ["Novità di Natale 100%", "Novità sul preventivo"]


def test_threads_with_people_whom_one_may_not_see_are_not_found(session, actor, threads):
    threads.restricted = True
    session.flush()
    seller = Actor(workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.SALES, user_id=threads.id)
    assert find_threads(session, seller, text="novita") == []
    assert find_threads(session, actor, text="novita")[0].name == "Ann Bo"
