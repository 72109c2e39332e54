"""Making, changing, moving, deleting deals, what the timeline and the history tell, and who sees them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from conftest import make_house
from factories.contacts import company, contact
from factories.deals import NOW, deal, moved, pipeline, stage
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError

from crm.accounts.kinds import Permission, Role
from crm.contacts.services.conflicts import VersionMismatchError
from crm.deals import queries, rules, services
from crm.deals.models import Deal, StageChange
from crm.deals.queries import DealFilter
from crm.deals.services import MoveInput
from crm.errors import AppError, ForbiddenError, InvalidInputError, NotFoundError
from crm.events import DealWon
from crm.interactions.models import Interaction


@pytest.fixture
def sales(session, actor):
    return pipeline(session, actor)


def narrowed(actor, *rights):
    """The same user with these rights only."""
    return replace(actor, scopes=frozenset({Permission.EDIT, *rights}))


def told(session, contact_id):
    rows = session.execute(
        select(Interaction.kind).where(Interaction.contact_id == contact_id).order_by(Interaction.id)
    )
    return [row.kind for row in rows]


@pytest.mark.usefixtures("sales")
def test_a_new_deal_begins_in_the_first_open_stage_with_its_maker_and_its_person(session, actor):
    ann, bo = contact(session, actor), company(session, actor)
    made = deal(session, actor, contact_id=ann.id, contact_role="Buyer", company_ids=[bo.id, bo.id])
    card = queries.card(session, actor, deal_id=made.id, now=NOW)
    assert (card.stage_name, card.probability, card.currency) == ("First talk", 20, "EUR")
    assert (card.owner_id, card.contact_name, card.company_name) == (actor.user_id, "Ann Bo", "Bo Ceramiche")
    assert told(session, ann.id) == ["deal.created"]
    (entry,) = session.scalars(select(Interaction).where(Interaction.source_id == made.id))
    assert (entry.source_kind, entry.direction) == ("deal", "none")


def test_without_a_pipeline_nobody_can_begin_a_deal(session, actor):
    with pytest.raises(InvalidInputError) as refusal:
        deal(session, actor)
    assert refusal.value.code == "no_pipeline"


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", -1),
        ("amount_minor", rules.MOST_MONEY + 1),
        ("amount_minor", 10**30),
        ("currency", "QQQ"),
        ("currency", "EURO"),
        ("probability", 101),
        ("probability", -1),
        ("title", "  "),
        ("title", "two\nlines"),
        ("title", "x" * 201),
        ("closes_on", date(9999, 1, 1)),
        ("closes_on", date(1, 1, 1)),
    ],
)
def test_what_no_deal_can_be_is_refused_beside_its_field(session, actor, field, value):
    with pytest.raises(InvalidInputError) as refusal:
        deal(session, actor, **{field: value})
    assert field in refusal.value.fields


@pytest.mark.usefixtures("sales")
def test_the_largest_amount_that_is_taken_can_be_kept_and_weighed(session, actor):
    for _ in range(3):
        deal(session, actor, amount_minor=rules.MOST_MONEY)
    (total,) = queries.totals(session, actor, where=DealFilter(), now=NOW)
    assert (total.amount_minor, total.weighted_minor) == (3 * rules.MOST_MONEY, 3 * rules.MOST_MONEY // 5)


def test_a_stage_of_another_pipeline_or_workspace_takes_no_deal(session, actor, other_actor, other_house, house, sales):
    from crm.db import enter_workspace

    other = pipeline(session, actor, "Events")
    made = deal(session, actor, stage_id=stage(session, actor, "Offer", pipeline_id=sales.id).id)
    foreign = MoveInput(stage_id=stage(session, actor, "Offer", pipeline_id=other.id).id)
    with pytest.raises(InvalidInputError) as refusal:
        services.move(session, actor, deal_id=made.id, data=foreign, now=NOW)
    assert "stage_id" in refusal.value.fields
    enter_workspace(session, other_house.workspace.id)
    far = pipeline(session, other_actor)
    far_stage = stage(session, other_actor, "Offer", pipeline_id=far.id).id
    enter_workspace(session, house.workspace.id)
    with pytest.raises(NotFoundError):
        services.move(session, actor, deal_id=made.id, data=MoveInput(stage_id=far_stage), now=NOW)
    with pytest.raises(NotFoundError):
        deal(session, actor, stage_id=far_stage)


@pytest.mark.usefixtures("sales")
def test_a_move_is_remembered_told_and_forgets_the_deals_own_chance(session, actor):
    ann = contact(session, actor)
    made = deal(session, actor, contact_id=ann.id, probability=90)
    moved(session, actor, made.id, "Offer", now=NOW + timedelta(days=3))
    moved(session, actor, made.id, "Closing", now=NOW + timedelta(days=8))
    card = queries.card(session, actor, deal_id=made.id, now=NOW + timedelta(days=10))
    assert (card.stage_name, card.probability, card.days) == ("Closing", 80, 2)
    stays = queries.stays(session, actor, deal_id=made.id, now=NOW + timedelta(days=10))
    assert [stay.days for stay in stays] == [3, 5, 2]
    assert told(session, ann.id) == ["deal.created", "deal.moved", "deal.moved"]


@pytest.mark.usefixtures("sales")
def test_moving_to_where_it_stands_changes_nothing(session, actor):
    made = deal(session, actor)
    again = moved(session, actor, made.id, "First talk")
    assert again.version == 1
    assert len(queries.stays(session, actor, deal_id=made.id, now=NOW)) == 1


@pytest.mark.usefixtures("sales")
def test_the_history_of_stages_can_only_grow(session, actor):
    deal(session, actor)
    change = session.scalars(select(StageChange)).one()
    session.delete(change)
    with pytest.raises(ProgrammingError, match="permission denied"):
        session.flush()


@pytest.mark.usefixtures("sales")
def test_a_lost_deal_says_why_and_forgets_it_when_it_is_taken_up_again(session, actor):
    made = deal(session, actor)
    lost = stage(session, actor, "Lost")
    with pytest.raises(InvalidInputError) as refusal:
        services.move(session, actor, deal_id=made.id, data=MoveInput(stage_id=lost.id), now=NOW)
    assert refusal.value.code == "lost_reason_missing"
    reason = services.add_reason(session, actor, name="Budget")
    data = MoveInput(stage_id=lost.id, lost_reason_id=reason.id, lost_note="until spring")
    row = services.move(session, actor, deal_id=made.id, data=data, now=NOW)
    assert (row.state, row.lost_reason_id, row.lost_note, row.closed_at) == ("lost", reason.id, "until spring", NOW)
    row = moved(session, actor, made.id, "Offer")
    assert (row.state, row.lost_reason_id, row.lost_note, row.closed_at) == ("open", None, "", None)


@pytest.mark.usefixtures("sales")
def test_a_won_deal_is_published_once_with_its_amount(session, actor):
    heard = []
    table = session.info["handlers"]._table
    table.setdefault(DealWon, []).append(lambda _session, event: heard.append(event))
    try:
        ann = contact(session, actor)
        made = deal(session, actor, contact_id=ann.id, amount_minor=4_200)
        moved(session, actor, made.id, "Won")
        moved(session, actor, made.id, "Won")
    finally:
        table[DealWon].pop()
    assert [(event.deal_id, event.contact_id, event.amount_minor) for event in heard] == [(made.id, ann.id, 4_200)]
    assert told(session, ann.id)[-1] == "deal.won"


@pytest.mark.usefixtures("sales")
def test_whoever_looked_at_an_older_version_is_told_where_the_deal_stands(session, actor):
    made = deal(session, actor)
    looked_at = made.version
    moved(session, actor, made.id, "Closing")
    offer = stage(session, actor, "Offer")
    with pytest.raises(services.DealChangedError) as refusal:
        services.move(
            session, actor, deal_id=made.id, data=MoveInput(stage_id=offer.id), expected_version=looked_at, now=NOW
        )
    assert "Closing" in refusal.value.message


@pytest.mark.usefixtures("sales")
def test_different_fields_merge_and_the_same_field_asks(session, actor):
    made = deal(session, actor, amount_minor=100)
    seen = {field: services.text_of(made, field) for field in services.FIELDS}
    services.update(session, actor, deal_id=made.id, changes={"amount_minor": 200}, seen=seen, now=NOW)
    row = services.update(session, actor, deal_id=made.id, changes={"title": "Other"}, seen=seen, now=NOW)
    assert (row.title, row.amount_minor) == ("Other", 200)
    with pytest.raises(services.DealConflictError) as refusal:
        services.update(session, actor, deal_id=made.id, changes={"amount_minor": 300}, seen=seen, now=NOW)
    assert refusal.value.theirs == {"amount_minor": "200"}
    same = services.update(session, actor, deal_id=made.id, changes={"amount_minor": 200}, seen=seen, now=NOW)
    assert same.amount_minor == 200
    with pytest.raises(VersionMismatchError):
        services.update(session, actor, deal_id=made.id, changes={"title": "x"}, expected_version=1, now=NOW)


@pytest.mark.usefixtures("sales")
def test_a_deleted_deal_counts_nowhere_and_comes_back_also_when_its_stage_is_gone(session, actor):
    made = deal(session, actor, stage_id=stage(session, actor, "Offer").id)
    services.delete(session, actor, deal_id=made.id, now=NOW)
    with pytest.raises(NotFoundError):
        queries.deal(session, actor, deal_id=made.id)
    assert queries.totals(session, actor, where=DealFilter(), now=NOW) == []
    services.remove_stage(session, actor, stage_id=made.stage_id, now=NOW)
    back = services.restore(session, actor, deal_id=made.id, now=NOW)
    assert queries.card(session, actor, deal_id=back.id, now=NOW).stage_name == "First talk"


@pytest.mark.usefixtures("sales")
def test_there_is_one_main_person_and_the_next_takes_over(session, actor):
    ann, carl = contact(session, actor, "Ann Bo"), contact(session, actor, "Carl Dini")
    made = deal(session, actor, contact_id=ann.id)
    services.add_person(session, actor, deal_id=made.id, contact_id=carl.id, role="Technician")
    assert [(p.name, p.is_main) for p in queries.people_of(session, actor, deal_id=made.id)] == [
        ("Ann Bo", True),
        ("Carl Dini", False),
    ]
    services.add_person(session, actor, deal_id=made.id, contact_id=carl.id, role="Boss", is_main=True)
    assert [(p.name, p.role) for p in queries.people_of(session, actor, deal_id=made.id)] == [
        ("Carl Dini", "Boss"),
        ("Ann Bo", ""),
    ]
    services.remove_person(session, actor, deal_id=made.id, contact_id=carl.id)
    assert [(p.name, p.is_main) for p in queries.people_of(session, actor, deal_id=made.id)] == [("Ann Bo", True)]


def test_who_sees_neither_the_owner_nor_the_main_person_sees_nothing_of_a_deal(session, actor, sales):
    ann = contact(session, actor, owner_id=None)
    mine = deal(session, actor, "Mine with a strangers person", contact_id=ann.id)
    alone = deal(session, actor, "Mine alone")
    foreign = deal(session, actor, "Nobodys")
    session.get_one(Deal, foreign.id).owner_id = None
    session.flush()
    own = narrowed(actor, Permission.VIEW_OWN)
    seen = {card.title for card in queries.list_deals(session, own, where=DealFilter(), now=NOW).items}
    owned = ann.owner_id == actor.user_id
    assert seen == {"Mine alone"} | ({"Mine with a strangers person"} if owned else set())
    for hidden in [foreign] + ([] if owned else [mine]):
        with pytest.raises(NotFoundError):
            queries.deal(session, own, deal_id=hidden.id)
        with pytest.raises(NotFoundError):
            services.move(
                session, own, deal_id=hidden.id, data=MoveInput(stage_id=stage(session, actor, "Won").id), now=NOW
            )
    (total,) = queries.totals(session, own, where=DealFilter(), now=NOW)
    assert total.count == len(seen)
    columns = queries.board(session, own, where=DealFilter(pipeline_id=sales.id), now=NOW)
    assert sum(column.count for column in columns) == len(seen)
    assert [card.title for card in queries.search(session, own, words="nobodys", limit=8, now=NOW)] == []
    assert [card.title for card in queries.search(session, actor, words="NOBÒDYS", limit=8, now=NOW)] == ["Nobodys"]
    nothing = replace(actor, scopes=frozenset())
    assert queries.list_deals(session, nothing, where=DealFilter(), now=NOW).items == []
    assert alone.id


def test_a_team_sees_the_deals_of_its_colleagues_and_those_of_nobody(session):
    house = make_house(session, name="Team", role=Role.OWNER)
    pipeline(session, house.actor)
    deal(session, house.actor, "Of a colleague")
    team = replace(house.actor, scopes=frozenset({Permission.VIEW_OWN, Permission.VIEW_TEAM}))
    assert len(queries.list_deals(session, team, where=DealFilter(), now=NOW).items) == 1


@pytest.mark.usefixtures("sales")
def test_only_who_may_edit_touches_a_deal_and_only_who_may_assign_gives_it_away(session, actor):
    from factories.accounts import user

    from crm.accounts.models import Membership

    made = deal(session, actor)
    looker = replace(actor, role=Role.VIEWER)
    for act in (
        lambda: deal(session, looker),
        lambda: services.update(session, looker, deal_id=made.id, changes={"title": "x"}, now=NOW),
        lambda: services.delete(session, looker, deal_id=made.id, now=NOW),
        lambda: moved(session, looker, made.id, "Offer"),
    ):
        with pytest.raises(ForbiddenError):
            act()
    colleague = user(session)
    session.add(Membership(user_id=colleague.id, role=Role.SALES))
    session.flush()
    seller = replace(actor, role=Role.SALES)
    with pytest.raises(ForbiddenError):
        services.update(session, seller, deal_id=made.id, changes={"owner_id": colleague.id}, now=NOW)
    row = services.update(session, actor, deal_id=made.id, changes={"owner_id": colleague.id}, now=NOW)
    assert row.owner_id == colleague.id
    with pytest.raises(AppError):
        services.update(session, actor, deal_id=made.id, changes={"owner_id": user(session).id}, now=NOW)
