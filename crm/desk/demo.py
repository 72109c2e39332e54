"""Builds the demo workspace through the same use cases as everybody else: people, two years of history, an offer."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.credentials import NewPassword
from crm.accounts.kinds import ActorKind, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import users, workspaces
from crm.channels.base import ChannelKind
from crm.clock import local_day, local_instant
from crm.consent import services as consent
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, Purpose
from crm.contacts import services as contacts
from crm.contacts.inputs import CompanyInput, ContactInput, HandleInput
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Contact
from crm.desk import demo_deals, demo_scenes
from crm.desk.demo_history import Stage, tell
from crm.desk.demo_people import FIRMS, PEOPLE, Character
from crm.filters.schema import parse
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.loyalty import services as loyalty
from crm.loyalty.kinds import OfferKind
from crm.outreach import queries as reading
from crm.outreach import services as outreach
from crm.outreach.models import SenderAccount
from crm.segments import services as segments

OWNER_ADDRESS = "giulia@lanternadati.example"
COLLEAGUE_ADDRESS = "marco@lanternadati.example"
NAME = "Lanterna Dati"
SOURCE = "demo"


def exists(session: Session) -> bool:
    """Whether the demo was built before (its owner is there)."""
    return session.scalar(select(User.id).where(User.email_norm == OWNER_ADDRESS)) is not None


def build(session: Session, *, password: NewPassword, now: datetime) -> Actor:
    """Build the workspace with its owner; raises what the use cases raise. The caller commits."""
    owner = users.create(session, email=OWNER_ADDRESS, name="Giulia Ferri", password=password)
    workspace = workspaces.create(session, owner=owner, name=NAME, locale="it", now=now)
    workspace.set_up_at = now
    workspace.postal_address = "Lanterna Dati srl, via della Lanterna 1, Genova"
    colleague = users.create(session, email=COLLEAGUE_ADDRESS, name="Marco Sarti", password=None, locale="it")
    session.add(Membership(user_id=colleague.id, role=Role.SALES, created_at=now))
    session.flush()
    actor = Actor(
        workspace_id=workspace.id,
        kind=ActorKind.USER,
        role=Role.OWNER,
        user_id=owner.id,
        name=owner.name,
        locale="it",
        time_zone=workspace.time_zone,
    )
    fill(session, actor, owners=(owner.id, colleague.id), now=now)
    return actor


def fill(session: Session, actor: Actor, *, owners: Sequence[UUID], now: datetime) -> None:
    """Tell the story in the actor's workspace, its people given to `owners` in turn; what is there stays.

    Everything is written from the sandbox account of the workspace, also where a mailbox is connected; it is made where
    there is none. The caller commits.
    """
    workspace = session.get_one(Workspace, actor.workspace_id)
    workspace.is_demo = True
    stage = Stage(session, actor, now, Random(7))  # noqa: S311 - a story that is the same every time.
    account = _account(stage, workspace)
    people = _people(stage, owners=owners)
    _programme(stage, people)
    tell(stage, people)
    _today(stage, people, account)
    demo_deals.sell(session, actor, people=people, now=now)
    unhappy = next(person for person, role in zip(people, PEOPLE, strict=True) if role.first_name == "Zoë")
    demo_scenes.complaint(session, actor, contact=unhappy, now=now)
    agreed = [person for person, role in zip(people, PEOPLE, strict=True) if role.agrees]
    demo_scenes.promotion(session, actor, people=agreed, account_id=account.id, now=now)


def _account(stage: Stage, workspace: Workspace) -> SenderAccount:
    found = next((row for row in reading.accounts(stage.session, stage.actor) if row.is_sandbox), None)
    if found is not None:
        return found
    owner = stage.session.get_one(User, stage.actor.user_id)
    data = outreach.AccountInput(
        name=f"{owner.name.split(' ')[0]}, posta di prova",
        address=owner.email,
        display_name=f"{owner.name}, {workspace.name}",
        is_sandbox=True,
        plus_address=True,
        signature=f"{owner.name}\n{workspace.name}",
        per_minute=30,
    )
    return outreach.create_account(stage.session, stage.actor, data=data, now=stage.now)


def _people(stage: Stage, *, owners: Sequence[UUID]) -> list[Contact]:
    firms = [
        contacts.create_company(
            stage.session,
            stage.actor,
            data=CompanyInput(
                name=firm.name,
                city=firm.city,
                kind=firm.kind,
                industry=firm.industry,
                website=firm.website,
                vat_number=firm.vat_number,
                staff=firm.staff,
                country="GB" if firm.city == "London" else "IT",
            ),
            origin=FactOrigin.TYPED,
            source=SOURCE,
            now=stage.now - timedelta(days=730),
        )
        for firm in FIRMS
    ]
    made = []
    for index, person in enumerate(PEOPLE):
        joined = stage.at_work(days_ago=700 - 17 * index, later=0, hour=9 + index % 8)
        contact = contacts.create(
            stage.session,
            stage.actor,
            data=_input(person, firms[person.firm].id, owners[index % len(owners)]),
            origin=FactOrigin.TYPED,
            source=SOURCE,
            now=joined,
        )
        if person.agrees is not None:
            _agree(stage, contact, agrees=person.agrees, at=joined)
        made.append(contact)
    return made


def _input(person: Character, company_id: UUID, owner_id: UUID) -> ContactInput:
    domain = FIRMS[person.firm].website.removeprefix("https://")
    local = f"{person.first_name}.{person.last_name}".lower()
    plain = local.translate(str.maketrans("òùëè’ ", "ouee._", "")).replace("._", ".").replace("_", "")
    handles = [HandleInput(channel=ChannelKind.EMAIL, address=f"{plain}@{domain}", is_primary=True)]
    if person.phone:
        handles += [HandleInput(channel=ChannelKind.PHONE, address=person.phone)]
        handles += [HandleInput(channel=ChannelKind.WHATSAPP, address=person.phone)]
    if person.instagram:
        handles += [HandleInput(channel=ChannelKind.INSTAGRAM, address=person.instagram)]
    return ContactInput(
        first_name=person.first_name,
        last_name=person.last_name,
        title=person.title,
        company_id=company_id,
        handles=handles,
        language=person.language,
        birthday=person.birthday,
        owner_id=owner_id,
        importance=person.importance,
        lifecycle=person.lifecycle,
        city=FIRMS[person.firm].city,
        came_from="Fiera Cersaie, settembre 2025" if "Fiera Cersaie" in person.tags else "Passaparola",
        tags=list(person.tags),
    )


def _agree(stage: Stage, contact: Contact, *, agrees: bool, at: datetime) -> None:
    consent.record(
        stage.session,
        stage.actor,
        contact_id=contact.id,
        purpose=ConsentPurpose.PROMOTIONAL,
        channel=ChannelKind.EMAIL if agrees else None,
        action=ConsentAction.GRANTED if agrees else ConsentAction.WITHDRAWN,
        basis=Basis.CONSENT,
        source="form",
        wording="Acconsento a ricevere novità riservate e promozioni private per e-mail.",
        wording_version="2024-09",
        happened_at=at,
        now=stage.now,
    )


def _programme(stage: Stage, people: Sequence[Contact]) -> None:
    """A programme with three rules, two offers, and the faithful ones as members."""
    session, actor = stage.session, stage.actor
    began = stage.at_work(days_ago=400, later=0, hour=10)
    loyalty.create_program(
        session,
        actor,
        data=loyalty.ProgramInput.model_validate(
            {
                "name": "Lanterna Club",
                "point_value_minor": 2,
                "validity_months": 18,
                "rules_text": "Un punto per ogni gesto che ci aiuta: commenti utili, visite, offerte usate.",
                "started_on": local_day(began, tz=actor.time_zone),
            }
        ),
        now=began,
    )
    for name, kind, points, cap in (
        ("Commento utile", InteractionKind.COMMENT, 20, 40),
        ("Visita in fiera o in ufficio", InteractionKind.VISIT, 50, 50),
        ("Offerta usata", InteractionKind.OFFER_REDEEMED, 100, None),
    ):
        rule = loyalty.RuleInput.model_validate(
            {"name": name, "interaction_kind": kind, "points": points, "cap_per_day": cap}
        )
        loyalty.create_rule(session, actor, data=rule, now=began)
    for index, contact in enumerate(people):
        if PEOPLE[index].agrees and index % 4 != 3:  # noqa: PLR2004 - three of four join.
            member = loyalty.join(session, actor, contact_id=contact.id, now=began + timedelta(days=index))
            loyalty.earn(
                session,
                actor,
                member_id=member.id,
                points=100 + 60 * (index % 7),
                reason="Benvenuto nel Lanterna Club",
                idempotency_key=f"demo-welcome-{member.id}",
                cause_kind="welcome",
                cause_id=None,
                now=began + timedelta(days=index, hours=1),
            )
    last = local_day(stage.now + timedelta(days=38), tz=actor.time_zone)
    for data in (
        loyalty.OfferInput.model_validate(
            {
                "name": "15% su un report Germania",
                "kind": OfferKind.PERCENT,
                "percent": 15,
                "public_text": "15% sul prossimo report su un’impresa tedesca",
                "terms": "Vale una volta sola, non si somma ad altre offerte.",
                "ends_on": last,
            }
        ),
        loyalty.OfferInput.model_validate(
            {
                "name": "Un report di prova in regalo",
                "kind": OfferKind.GIFT,
                "gift": "Un report completo su un’impresa italiana",
                "public_text": "Un report completo in regalo",
                "ends_on": last,
                "limit_total": 50,
            }
        ),
    ):
        loyalty.create_offer(session, actor, data=data, now=stage.now - timedelta(days=20))


def _today(stage: Stage, people: Sequence[Contact], account: SenderAccount) -> None:
    """What waits today: an answer, a promise, tasks, a planned message, a segment and a text to start from."""
    session, actor, now = stage.session, stage.actor, stage.now
    chiara, elena, carmela = people[0], people[2], people[4]
    _incoming(stage, account, chiara, "Report di solvibilità", "Buonasera Giulia, l’offerta sui 50 report vale ancora?"
              " Lunedì chiudiamo il budget e vorrei metterli dentro.")  # fmt: skip
    today = local_day(now, tz=actor.time_zone)
    for title, contact, days, promised in (
        ("Mandare il report campione sui fornitori di Valdarno", chiara, 0, True),
        ("Chiedere chi decide per la Germania", chiara, 2, False),
        ("Richiamare per il rinnovo del pacchetto", elena, 0, False),
        ("Ringraziare per la foto allo stand", carmela, -1, False),
    ):
        data = interactions.TaskInput(
            title=title, contact_id=contact.id, due_on=today + timedelta(days=days), is_promise=promised
        )
        interactions.create_task(session, actor, data=data, now=now)
    outreach.write(
        session,
        actor,
        contact_id=elena.id,
        channel=ChannelKind.EMAIL,
        subject="Il report che aspettava",
        body="Buongiorno {{ contact.first_name }}, il report è pronto: quando ne parliamo?",
        purpose=Purpose.PERSONAL,
        send_at=now + timedelta(days=1),
        account_id=account.id,
        now=now,
    )
    outreach.create_template(
        session,
        actor,
        data=outreach.TemplateInput(
            name="Promozione riservata",
            purpose=Purpose.PROMOTIONAL,
            subject="{{ contact.first_name }}, una condizione solo per Lei",
            body="Buongiorno {{ contact.first_name }},\n\nper chi ci segue da tempo abbiamo riservato"
            " **{{ offer.name }}**.\n\nIl Suo codice personale è {{ voucher.code }} e vale fino al {{ offer.until }}."
            "\n\nA presto!",
        ),
        now=now,
    )
    agreed = {"purpose": "promotional", "channel": "email"}
    for name, rule in (
        (
            "Clienti che hanno detto sì",
            {
                "all": [
                    {"field": "lifecycle", "op": "any_of", "value": ["customer", "ambassador", "partner"]},
                    {"field": "consent", "op": "is", "value": {**agreed, "value": "granted"}},
                ]
            },
        ),
        (
            "Da risentire",
            {"all": [{"field": "last_outbound", "op": "not_in_last", "value": {"amount": 60, "unit": "days"}}]},
        ),
        (
            "Cento punti e più",
            {
                "all": [
                    {"field": "points", "op": "at_least", "value": 100},
                    {"field": "member", "op": "is", "value": True},
                ]
            },
        ),
    ):
        segments.create(session, actor, name=name, rule=parse(rule), now=now)


def _incoming(stage: Stage, account: SenderAccount, contact: Contact, subject: str, text: str) -> None:
    """A real message through the same way in as every other."""
    yesterday = local_day(stage.now, tz=stage.actor.time_zone) - timedelta(days=1)
    sent = local_instant(yesterday, time(17, 40), tz=stage.actor.time_zone).astimezone(UTC)
    raw = (
        f"From: {contact.display_name} <{contact.email}>\r\nTo: {account.address}\r\nSubject: {subject}\r\n"
        f"Message-ID: <demo-{contact.id}@{contact.email.partition('@')[2]}>\r\n"
        f"Date: {sent:%a, %d %b %Y %H:%M:%S} +0000\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
    outreach.receive(stage.session, account, raw.encode(), stage.now)
