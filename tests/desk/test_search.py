"""The search box finds people, companies and threads, as options of the palette and as JSON."""

from factories import outreach as factory
from factories.contacts import NOW, company, contact

from crm.channels.base import ChannelKind
from crm.outreach.models import Conversation


def test_the_palette_and_the_api_find_people_companies_and_threads(client, session, actor):
    firm = company(session, actor, "Novità Ceramiche")
    ann = contact(session, actor, "Ann Novità", company_id=firm.id)
    account = factory.account(session, actor, now=NOW)
    talk = Conversation(
        channel=ChannelKind.EMAIL, account_id=account.id, contact_id=ann.id, subject="Novità di Natale", last_at=NOW
    )
    session.add(talk)
    session.flush()

    options = client.get("/search?q=NOVITA", headers={"HX-Request": "true"}).text
    for shown in (f"/contacts/{ann.id}", f"/companies/{firm.id}", f"/inbox/{talk.id}"):
        assert shown in options
    found = client.get("/api/v1/search?q=novita").get_json()
    assert [(hit["kind"], hit["id"]) for hit in found["items"]] == [
        ("contact", str(ann.id)),
        ("company", str(firm.id)),
    ]
    assert [(hit["subject"], hit["name"]) for hit in found["threads"]] == [("Novità di Natale", "Ann Novità")]
