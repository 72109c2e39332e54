"""The job and the clock's list of what is due: real sessions, committed data."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from conftest import make_house
from factories import contacts as people
from sqlalchemy import text

from crm.accounts.rules import system_actor
from crm.contacts import services as contact_services
from crm.db import Database, database_now
from crm.filters.schema import parse
from crm.jobs import JobName
from crm.segments import queries, services
from workers import handler

LEADS = parse({"field": "lifecycle", "op": "is", "value": "lead"})


@dataclass
class Runtime:
    database: Database


@pytest.fixture
def world(fresh_database):
    database = fresh_database.database
    with database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
        now = database_now(session)
        anna = people.contact(session, house.actor, "Anna Rossi", lifecycle="lead", now=now)
        segment = services.create(session, house.actor, name="Leads", rule=LEADS, now=now)
        services.freeze(session, house.actor, segment_id=segment.id, now=now)
    return database, house.workspace.id, segment.id, anna.id


def due(database, age):
    with database.scope() as session:
        rows = session.execute(
            text("select * from crm_segments_due(now() - make_interval(secs => :age), 10)"), {"age": age}
        )
        return [tuple(row) for row in rows]


def test_the_clock_finds_live_segments_of_all_workspaces_that_are_too_old_and_no_frozen_ones(world):
    database, workspace_id, segment_id, _anna = world
    assert due(database, 300) == []
    assert due(database, -1) == [(workspace_id, segment_id)]


def test_the_job_brings_the_stored_members_up_to_date(world):
    database, workspace_id, segment_id, anna = world
    actor = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        now = database_now(session)
        contact_services.update(session, actor, contact_id=anna, changes={"lifecycle": "past"}, now=now)
    handler(JobName.REFRESH_SEGMENT)(Runtime(database), workspace_id=str(workspace_id), segment_id=str(segment_id))
    with database.scope(workspace_id) as session:
        row = queries.segment(session, actor, segment_id=segment_id)
        assert (row.members, row.refreshed_at >= now - timedelta(seconds=1)) == (0, True)
        latest = queries.changes(session, actor, segment_id=segment_id).items[0]
        assert (latest.change, latest.cause) == ("left", "field:lifecycle")


def test_a_job_for_a_segment_that_is_gone_does_nothing(world):
    database, workspace_id, segment_id, anna = world
    actor = system_actor(workspace_id)

    def looked_at():
        with database.scope(workspace_id) as session:
            row = queries.segment(session, actor, segment_id=segment_id)
            return row.members, row.refreshed_at, len(queries.changes(session, actor, segment_id=segment_id).items)

    before = looked_at()
    handler(JobName.REFRESH_SEGMENT)(Runtime(database), workspace_id=str(workspace_id), segment_id=str(anna))
    assert looked_at() == before
