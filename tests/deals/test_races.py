"""Two people move the same card at once, on real connections: one wins, the other is told where it stands."""

import threading

import pytest
from conftest import make_house
from factories.deals import NOW, deal, pipeline, stage
from sqlalchemy import select

from crm.deals import queries, services
from crm.deals.models import Deal
from crm.deals.services import MoveInput
from crm.errors import AppError


@pytest.fixture
def place(fresh_database):
    """A committed workspace with one deal: (database, actor, deal id, {stage: id})."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna Dati").actor
        pipeline(session, actor)
        made = deal(session, actor)
        stages = {row.name: row.id for row in queries.stages(session, actor)}
    return fresh_database.database, actor, made.id, stages


def at_once(database, actor, acts):
    """Run each act(session) on a connection and thread of its own; their answers, or the codes of their refusals."""
    gate, answers = threading.Barrier(len(acts)), [""] * len(acts)

    def run(number, act):
        gate.wait()
        try:
            with database.scope(actor.workspace_id) as session:
                act(session)
            answers[number] = "done"
        except AppError as refusal:
            answers[number] = refusal.code

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_two_who_move_the_same_card_one_is_told_where_it_stands(place):
    database, actor, deal_id, stages = place

    def to(name):
        data = MoveInput(stage_id=stages[name])
        return lambda session: services.move(session, actor, deal_id=deal_id, data=data, expected_version=1, now=NOW)

    answers = at_once(database, actor, [to("Offer"), to("Closing")])
    assert sorted(answers) == ["changed_meanwhile", "done"]
    with database.scope(actor.workspace_id) as session:
        row = queries.deal(session, actor, deal_id=deal_id)
        assert row.stage_id == stages["Offer" if answers[0] == "done" else "Closing"]
        assert len(queries.stays(session, actor, deal_id=deal_id, now=NOW)) == 2


def test_a_card_that_enters_a_stage_while_it_is_removed_is_never_left_behind(place):
    database, actor, deal_id, stages = place
    offer = MoveInput(stage_id=stages["Offer"])
    answers = at_once(
        database,
        actor,
        [
            lambda session: services.move(session, actor, deal_id=deal_id, data=offer, now=NOW),
            lambda session: services.remove_stage(
                session, actor, stage_id=stages["Offer"], move_to=stages["Closing"], now=NOW
            ),
        ],
    )
    assert answers[1] == "done"
    with database.scope(actor.workspace_id) as session:
        row = queries.deal(session, actor, deal_id=deal_id)
        assert row.stage_id == stages["Closing" if answers[0] == "done" else "First talk"]
        assert stage(session, actor, "Closing").id


def test_cards_that_are_put_into_the_same_gap_at_once_stand_one_behind_the_other(place):
    database, actor, deal_id, stages = place
    with database.scope(actor.workspace_id) as session:
        last = deal(session, actor, "last").id
        others = [deal(session, actor, title).id for title in ("one", "two", "three", "four")]

    def between(card):
        data = MoveInput(stage_id=stages["First talk"], after_id=deal_id)
        return lambda session: services.move(session, actor, deal_id=card, data=data, expected_version=1, now=NOW)

    assert at_once(database, actor, [between(card) for card in others]) == ["done"] * 4
    with database.scope(actor.workspace_id) as session:
        rows = session.execute(select(Deal.id, Deal.rank).order_by(Deal.rank)).all()
        assert {row.id for row in rows[1:5]} == set(others)
        assert (rows[0].id, rows[5].id) == (deal_id, last)
        assert len({row.rank for row in rows}) == 6


def test_a_deal_never_begins_in_a_pipeline_that_is_put_away_at_once(place):
    database, actor, deal_id, stages = place
    with database.scope(actor.workspace_id) as session:
        pipeline_id = queries.deal(session, actor, deal_id=deal_id).pipeline_id
        services.delete(session, actor, deal_id=deal_id, now=NOW)
    answers = at_once(
        database,
        actor,
        [
            lambda session: deal(session, actor, "late", stage_id=stages["Offer"]),
            lambda session: services.archive_pipeline(session, actor, pipeline_id=pipeline_id, now=NOW),
        ],
    )
    assert answers.count("done") == 1
