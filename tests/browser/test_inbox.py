"""The inbox is worked through by keyboard alone, in Italian."""

from datetime import timedelta

import pytest
from factories.contacts import contact, interaction
from factories.everything import owner_of
from factories.waiting import conversation
from sqlalchemy import select, update
from stack.chromium import tab

from crm.accounts.models import User
from crm.accounts.queries import workspaces_of
from crm.db import database_now, enter_workspace
from crm.desk import demo
from crm.interactions.kinds import Direction, Sentiment
from crm.outreach import services
from crm.outreach.kinds import ConversationState
from crm.outreach.models import Conversation

pytestmark = pytest.mark.browser

PEOPLE = (
    ("Stefano Greco", "Tre giorni per una visura urgente. Mai più."),
    ("Nicola Serra", "Perfetto. Posso pagare con bonifico?"),
    ("Anna Fontana", "Ricevuto, grazie. Lo giro al commercialista."),
    ("Silvia Caruso", "Mi richiami domani mattina?"),
)


@pytest.fixture
def waiting(site, fresh_database):
    """Four people who wrote, the first of them last; one is unhappy, in public."""
    with fresh_database.database.scope() as session:
        user = session.scalars(select(User).where(User.email_norm == demo.OWNER_ADDRESS)).one()
        house = workspaces_of(session, user_id=user.id)[0].id
        enter_workspace(session, house)
        actor, now = owner_of(user, house), database_now(session)
        session.execute(update(Conversation).values(state=ConversationState.CLOSED.value, unanswered_since=None))
        for number, (name, words) in enumerate(PEOPLE):
            person = contact(session, actor, name, email=f"person{number}@example.org", now=now)
            public = {"visibility": "public", "post_url": "https://mastodon.example/@lanterna/1"} if number == 0 else {}
            conversation(
                session, person.id, words=words, since=now - timedelta(minutes=number + 1),
                state=ConversationState.OPEN, **public,
            )  # fmt: skip
            if number == 0:
                interaction(
                    session, actor, person.id, "comment", direction=Direction.INBOUND, channel="mastodon", body=words,
                    sentiment=Sentiment.NEGATIVE, happened_at=now - timedelta(hours=3), now=now,
                )  # fmt: skip
        greeting = services.CannedReplyInput(title="Grazie", body="Grazie {{ contact.first_name }}, a presto.")
        services.create_canned(session, actor, data=greeting, now=now)
    return site


def names(page) -> list[str]:
    return page.locator(".fd-convlist .fd-conv__name").all_inner_texts()


@pytest.mark.parametrize("site", ["it"], indirect=True)
def test_the_inbox_is_worked_through_by_keyboard_alone(chromium, waiting):
    """Open, note, assign, begin an answer with a canned reply, close, put off, unread: each by its key."""
    with tab(chromium, language="it") as (page, said):
        page.context.add_cookies([{"name": "crm", "value": waiting.cookie, "url": waiting.address}])
        page.goto(waiting.address + "/inbox")
        assert names(page) == [name for name, _words in PEOPLE]
        assert page.locator("#side-counter-inbox").inner_text() == "4"

        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".fd-convhead h1").inner_text().startswith("Stefano Greco")
        assert page.get_by_text("questa persona non riceve promozioni").is_visible()
        assert page.locator("#side-counter-inbox").inner_text() == "3"

        page.keyboard.press("n")
        page.keyboard.type("Ha ragione: chiamalo.")
        with page.expect_navigation():
            page.keyboard.press("Control+Enter")
        assert page.locator(".fd-message--note").inner_text().endswith("Ha ragione: chiamalo.")

        with page.expect_navigation():
            page.keyboard.press("a")
        assert page.locator("#assignee option:checked").inner_text() == "Giulia Ferri"

        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator(".fd-convhead h1").inner_text().startswith("Nicola Serra")
        page.keyboard.press("r")
        page.keyboard.type("/")
        page.locator("[data-canned-search]:focus").wait_for()
        page.keyboard.type("gra")
        page.keyboard.press("Enter")
        assert page.locator("#answer-text").input_value() == "Grazie Nicola, a presto."
        with page.expect_response("**/pulse"):
            page.keyboard.type(" Bonifico va bene.")
        page.evaluate("document.activeElement.blur()")
        with page.expect_navigation():
            page.keyboard.press("e")
        assert page.locator(".fd-convhead h1").inner_text().startswith("Anna Fontana"), "closing goes on to the next"

        page.keyboard.press("s")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.locator(".fd-convhead h1", has_text="Silvia Caruso").wait_for()
        page.wait_for_load_state()
        with page.expect_navigation(url="**/inbox"):
            page.keyboard.press("u")
        assert names(page) == ["Stefano Greco", "Silvia Caruso"]
        assert page.locator("#side-counter-inbox").inner_text() == "1"

        page.keyboard.press("?")
        page.locator("#inbox-keys[open]").wait_for()
        page.keyboard.press("Escape")
        assert said == []
