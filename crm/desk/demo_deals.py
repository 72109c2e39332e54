"""Owns the deals of the demo: a pipeline with a dozen of them at every stage, one of them standing too long."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.clock import local_day, local_instant
from crm.contacts.inputs import parsed
from crm.contacts.models import Contact
from crm.deals import queries, services
from crm.deals.kinds import StageKind
from crm.deals.services import MoveInput, NewDealInput, StageInput

#: Name, meaning, chance in per cent, days until its deals are marked.
STAGES = (
    ("Primo contatto", StageKind.OPEN, 10, 14),
    ("Esigenza chiara", StageKind.OPEN, 30, 14),
    ("Offerta inviata", StageKind.OPEN, 60, 10),
    ("In chiusura", StageKind.OPEN, 80, 7),
    ("Vinta", StageKind.WON, 100, None),
    ("Persa", StageKind.LOST, 0, None),
)
REASONS = ("Troppo caro", "Ha scelto un concorrente", "Niente budget quest'anno")

#: What, euro cents, days until it should close, days ago when it began, and the stages after the first with how many
#: days ago each was reached.
DEALS: tuple[tuple[str, int, int | None, int, tuple[tuple[str, int], ...]], ...] = (
    ("50 report, quarto trimestre", 90_000, 8, 40, (("Esigenza chiara", 25), ("Offerta inviata", 4))),
    ("Monitoraggio clienti esteri", 480_000, 20, 60, (("Esigenza chiara", 41), ("Offerta inviata", 19))),
    ("Report Germania", 36_000, 12, 9, ()),
    ("Visure per il nuovo ufficio", 24_000, 15, 20, ()),
    ("Abbonamento annuale 2027", 720_000, 35, 34, (("Esigenza chiara", 12),)),
    ("Elenco fornitori Nord-Est", 65_000, 4, 30, (("Esigenza chiara", 16), ("Offerta inviata", 9), ("In chiusura", 3))),
    ("Analisi di solvibilità, 20 firme", 150_000, None, 6, ()),
    ("Corso per l'ufficio crediti", 110_000, 26, 22, (("Esigenza chiara", 10),)),
    ("Pacchetto 100 report", 162_000, -3, 50, (("Offerta inviata", 33), ("In chiusura", 12))),
    ("Report fornitori, primo ordine", 45_000, -6, 55, (("Offerta inviata", 30), ("Vinta", 6))),
    ("Rinnovo monitoraggio", 280_000, -12, 70, (("In chiusura", 25), ("Vinta", 12))),
    ("Banca dati edilizia", 330_000, -9, 65, (("Offerta inviata", 40), ("Persa", 9))),
)  # fmt: skip


def sell(session: Session, actor: Actor, *, people: Sequence[Contact], now: datetime) -> None:
    """Make the pipeline and its deals with `people` in turn, where there is no pipeline yet."""
    if queries.pipelines(session, actor) or not people:
        return
    began = now - timedelta(days=90)
    stages = [
        StageInput(name=name, kind=kind, probability=chance, rot_days=days) for name, kind, chance, days in STAGES
    ]
    pipeline = services.create_pipeline(session, actor, name="Vendite", stages=stages, now=began)
    named = {stage.name: stage for stage in queries.stages(session, actor, pipeline_id=pipeline.id)}
    reasons = [services.add_reason(session, actor, name=name) for name in REASONS]
    today = local_day(now, tz=actor.time_zone)
    for number, (title, amount, closes_in, days_ago, way) in enumerate(DEALS):
        person = people[number % len(people)]
        values = {
            "title": title,
            "amount_minor": amount,
            "currency": "EUR",
            "closes_on": None if closes_in is None else today + timedelta(days=closes_in),
            "owner_id": person.owner_id or actor.user_id,
            "contact_id": person.id,
            "company_ids": [person.company_id] if person.company_id else [],
        }
        at = _at_work(today, days_ago, actor)
        deal = services.create(session, actor, data=parsed(NewDealInput, values), now=at)
        for stage, ago in way:
            target = named[stage]
            why = reasons[1].id if target.kind == StageKind.LOST else None
            moved = MoveInput(stage_id=target.id, lost_reason_id=why)
            services.move(session, actor, deal_id=deal.id, data=moved, now=_at_work(today, ago, actor))


def _at_work(today: date, days_ago: int, actor: Actor) -> datetime:
    """A moment of that day in office hours; deals move on days of their own, so their order stays."""
    return local_instant(today - timedelta(days=days_ago), time(10 + days_ago % 7, days_ago % 60), tz=actor.time_zone)
