"""A colleague who may not see a person: no page, no answer and no id of any domain gives anything of them away."""

import pytest
from conftest import House
from factories import accounts as factory
from factories.everything import everything
from factories.routes import BODIES, FORMS, address, bodies, rules, url
from sqlalchemy import select, update

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.contacts.models import Contact, Handle
from crm.web.api import PREFIX

NAME = "Zenobia Quarantotti"
#: What belongs to one person: whoever may not see the person finds nothing at any address with such an id.
PERSONAL = frozenset(
    {
        *("contact_id", "link_id", "fact_id", "handle_id", "interaction_id", "task_id", "event_id", "member_id"),
        *("entry_id", "voucher_id", "code", "redemption_id", "message_id", "conversation_id", "recipient_id"),
    }
)
#: Addresses whose path is itself the key, or which work for whoever holds the paper.
CAPABILITIES = {
    "accounts.invitation",
    "accounts.reset_password",
    "loyalty.offer_page",
    "one_click.ask",
    "one_click.stop",
    "portal.preferences",
    "portal.save",
}
#: Reads that end the reader's own sign-in or are signed-out pages.
LEADS_AWAY = {"accounts.sign_out", "security.logout"}
#: Who holds a code, or the id of what they redeemed themselves, goes on with it, whoever the person is.
AT_THE_TILL = {"loyalty.undo_at_till", "loyalty_api.read_voucher", "loyalty_api.redeem"}
#: What is typed to find the person.
SEARCHES = (
    "/contacts?q=zenobia",
    "/search?q=zenobbia+quarantoti",
    "/api/v1/search?q=zenob",
    "/api/v1/search?q=news",
    "/api/v1/contacts?q=zenobia",
)


@pytest.fixture(params=["own", "restricted"])
def reader(request, session, house, settings, signed_in):
    """(a browser of a seller who sees nobody, the ids of everything, what must not be read).

    Once because the role sees its own people only, once because everybody is restricted.
    """
    kit = everything(session, house.actor, home=settings.home, name=NAME)
    seller = factory.user(session, name="Luca Verdi")
    session.add(Membership(user_id=seller.id, role=Role.SALES))
    if request.param == "own":
        house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
    else:
        session.execute(update(Contact).values(restricted=True))
    session.flush()
    hidden = set(session.scalars(select(Contact.display_name)))
    hidden |= set(session.scalars(select(Handle.address).where(Handle.contact_id.is_not(None))))
    actor = Actor(workspace_id=house.workspace.id, kind=ActorKind.USER, role=Role.SALES, user_id=seller.id)
    assert NAME in hidden
    return signed_in(House(house.workspace, seller, actor)), kit, hidden


def test_no_page_and_no_answer_names_somebody_who_is_not_to_be_seen(app, reader):
    browser, kit, hidden = reader
    told, opened = [], 0
    for rule in rules(app):
        if "GET" not in (rule.methods or set()) or rule.endpoint in CAPABILITIES | LEADS_AWAY:
            continue
        path = address(rule, kit)
        if not path.startswith(PREFIX):
            path += f"?contact={kit['contact_id']}"
        answer = browser.get(path)
        opened += answer.status_code == 200
        assert answer.status_code < 500, path
        shown = answer.text if answer.mimetype.startswith(("text/", "application/json")) else ""
        told += [f"{path} tells {one}" for one in sorted(hidden) if one in shown]
    for path in SEARCHES:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        told += [f"{path} tells {one}" for one in sorted(hidden) if one in answer.text]
    assert not told, "\n".join(told)
    assert opened > 100


def test_the_ids_of_what_belongs_to_them_open_nothing_and_change_nothing(app, reader):
    browser, kit, _hidden = reader
    accepted = bodies(browser.get(f"{PREFIX}/openapi.json").get_json())
    wrong, tried = [], 0
    for rule in rules(app):
        if not rule.arguments & PERSONAL or rule.endpoint in CAPABILITIES | AT_THE_TILL:
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            options = {"data": FORMS.get(rule.endpoint)}
            if rule.rule.startswith(PREFIX) and method != "GET":
                path = rule.rule.replace("<uuid:", "{").replace("<", "{").replace(">", "}")
                options = {
                    "json": BODIES.get(rule.endpoint, accepted[method, path]),
                    "headers": {"Idempotency-Key": f"access-{tried}"},
                }
            answer = browser.open(url(rule, kit), method=method, **options)
            tried += 1
            # What the seller's role may not do at all is refused before anything is looked for.
            if answer.status_code not in {403, 404}:
                wrong.append(f"{method} {rule.rule} ({rule.endpoint}): {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 80


def test_the_owner_opens_all_of_it(app, client, session, house, settings):
    """Without this, the tests above would also pass on pages that never show anybody."""
    kit = everything(session, house.actor, home=settings.home, name=NAME)
    telling = [
        rule.endpoint
        for rule in rules(app)
        if "GET" in (rule.methods or set())
        and rule.endpoint not in CAPABILITIES | LEADS_AWAY
        and NAME in client.get(address(rule, kit)).data.decode(errors="replace")
    ]
    assert len(telling) > 25, telling
