"""Owns which company may stand above which: no circles, and no chain that nobody could follow."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, literal, select, text
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.models import Company
from crm.errors import InvalidInputError, worded

#: Groups of companies have a handful of levels.
DEEPEST: Final = 10


def check_parent(session: Session, actor: Actor, *, company: Company | None, parent_id: UUID) -> None:
    """Refuse a parent below the company, saying how the circle would close, and more than `DEEPEST` levels.

    Changes of parents in one workspace wait for each other, because two of them together could close a circle.
    """
    parent = queries.company(session, actor, company_id=parent_id)
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"parents:{actor.workspace_id}"}
    )
    chain = _above(session, parent_id)
    names = [parent.name, *(name for _id, name in chain[1:])]
    if company is not None:
        ids = [company_id for company_id, _name in chain]
        if company.id == parent_id:
            _refuse(N_("A company can't belong to itself."))
        if company.id in ids:
            way = " → ".join([company.name, *names[: ids.index(company.id) + 1]])
            _refuse(worded("This would close a circle: %(way)s.", way=way))
    depth = len(chain) + 1 + (0 if company is None else _levels_below(session, company.id))
    if depth > DEEPEST:
        _refuse(worded("At most %(count)s companies can stand above each other.", count=DEEPEST))


def _refuse(sentence: str) -> None:
    raise InvalidInputError(sentence, fields={"parent_id": sentence})


def _above(session: Session, company_id: UUID) -> list[tuple[UUID, str]]:
    """The company and those above it, from the bottom to the top; a little more than may be."""
    start = select(Company.id, Company.name, Company.parent_id, literal(1).label("level")).where(
        Company.id == company_id, Company.deleted_at.is_(None)
    )
    chain = start.cte("above", recursive=True)
    higher = aliased(Company)
    chain = chain.union_all(
        select(higher.id, higher.name, higher.parent_id, chain.c.level + 1).where(
            higher.id == chain.c.parent_id, higher.deleted_at.is_(None), chain.c.level <= 2 * DEEPEST
        )
    )
    rows = session.execute(select(chain.c.id, chain.c.name).order_by(chain.c.level))
    return [(row.id, row.name) for row in rows]


def _levels_below(session: Session, company_id: UUID) -> int:
    """How many levels stand below the company."""
    start = select(Company.id, literal(0).label("level")).where(Company.id == company_id)
    tree = start.cte("below", recursive=True)
    lower = aliased(Company)
    tree = tree.union_all(
        select(lower.id, tree.c.level + 1).where(
            lower.parent_id == tree.c.id, lower.deleted_at.is_(None), tree.c.level <= DEEPEST
        )
    )
    return session.scalar(select(func.max(tree.c.level))) or 0
