"""The public pages: looking changes nothing, one click stops, and nothing can be forged."""

import pytest
from factories.contacts import contact
from sqlalchemy import select

from crm.channels.base import ChannelKind
from crm.consent.kinds import ConsentAction
from crm.consent.models import ConsentEvent, ConsentEvidence, ConsentState
from crm.outreach.links import PreferenceToken
from crm.outreach.setup import links


@pytest.fixture
def person(session, actor, now):
    return contact(session, actor, name="Chiara Moretti", now=now)


@pytest.fixture
def token(person):
    known = PreferenceToken(workspace_id=person.workspace_id, contact_id=person.id, channel=ChannelKind.EMAIL)
    return links().preference_token(known)


def _events(session, person):
    return session.scalars(select(ConsentEvent).where(ConsentEvent.contact_id == person.id)).all()


def test_looking_at_a_link_changes_nothing(anonymous, session, person, token):
    for address in (f"/p/{token}", f"/u/{token}"):
        assert anonymous.get(address).status_code == 200

    assert _events(session, person) == []


def test_one_click_stops_promotions_without_cookie_redirect_or_csrf(app, session, person, token):
    app.config["WTF_CSRF_ENABLED"] = True
    mail_program = app.test_client(use_cookies=False)

    for _repeated in range(2):
        answer = mail_program.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200

    (event,) = _events(session, person)
    assert (event.action, event.purpose, event.channel) == (ConsentAction.WITHDRAWN, "promotional", None)


def test_the_page_needs_its_csrf_token(app, token):
    app.config["WTF_CSRF_ENABLED"] = True

    assert app.test_client().post(f"/p/{token}", data={}).status_code == 400


def test_a_choice_is_kept_with_the_sentence_that_was_seen(anonymous, session, person, token):
    person.language = "it"
    session.flush()

    answer = anonymous.post(f"/p/{token}", data={"promotional": "y", "personal": "y"})

    assert answer.status_code == 303
    (event,) = _events(session, person)
    evidence = session.scalars(select(ConsentEvidence).where(ConsentEvidence.event_id == event.id)).one()
    assert event.action == ConsentAction.GRANTED
    assert evidence.wording == "Novità riservate e promozioni private, su qualsiasi canale"
    state = session.scalars(select(ConsentState).where(ConsentState.contact_id == person.id)).one()
    assert state.action == ConsentAction.GRANTED


def test_the_page_speaks_the_persons_language(anonymous, session, person, token):
    person.language = "it"
    session.flush()

    assert "Che cosa desidera ricevere?" in anonymous.get(f"/p/{token}").text


def test_the_stand_in_that_colleagues_see_says_what_it_is(anonymous):
    page = anonymous.get("/p/personal")
    assert page.status_code == 404
    assert "The message that leaves has the person’s own link" in page.text


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: "x" + t, lambda _t: "no"]
)
def test_a_forged_link_opens_nothing(anonymous, session, person, token, change):
    forged = change(token)

    page = anonymous.get(f"/p/{forged}")
    assert page.status_code == 404
    # Whoever follows a link that their mail program cut is no colleague: no way to Today, but a way out.
    assert "answer the message with the word STOP" in page.text
    assert 'href="/"' not in page.text
    assert anonymous.post(f"/u/{forged}").status_code == 404
    assert _events(session, person) == []
