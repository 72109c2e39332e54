"""Erasing beside merging, restoring and importing, and merging beside merging: real processes, let go at once."""

import io
import threading
from functools import partial

import pytest
from conftest import make_house
from factories import contacts
from factories.planted import EMAIL, FIRST, LAST, NAME, PLANTED
from factories.races import in_processes
from factories.traces import rows_that_hold
from sqlalchemy import select, text

from crm.consent.kinds import Basis
from crm.contacts import services as contact_services
from crm.contacts.models import Contact
from crm.db import database_now
from crm.errors import AppError
from crm.lifecycle import runner, services
from crm.lifecycle.erasure.sweep import sweep
from crm.lifecycle.kinds import ImportMode
from crm.lifecycle.privacy_models import Erasure
from crm.lifecycle.services import Choices, erasing, merging

#: What may be answered when somebody else was faster; a deadlock is a 409 on the page (tests/web).
CLEAN = {"done", "erased", "merged", "deleted", "merging", "contact_not_found", "contact_merged", "sqlstate 40P01"}


@pytest.fixture
def place(fresh_database):
    """A committed workspace with a person of planted words and two others: (database, actor, ids, its tables' url)."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna").actor
        now = database_now(session)
        ids = [
            contacts.contact(session, actor, name, email=email, now=now).id
            for name, email in ((NAME, EMAIL), ("Ann Bo", "ann@example.com"), ("Eva Blu", "eva@example.com"))
        ]
        contacts.interaction(session, actor, ids[0], body=f"a word of {NAME}", now=now)
    fresh_database.database.engine.dispose()
    return fresh_database, actor, ids


def erase(session, actor, *, contact_id) -> str:
    erasing.erase(session, actor, contact_id=contact_id, confirm=None, now=database_now(session))
    return "done"


def merge(session, actor, *, kept, other) -> str:
    merging.merge(session, actor, kept_id=kept, other_id=other, now=database_now(session))
    return "done"


def restore(session, actor, *, contact_id) -> str:
    contact_services.restore(session, actor, contact_id=contact_id, now=database_now(session))
    return "done"


def swept(fresh, actor, tmp_path) -> None:
    with fresh.database.scope(actor.workspace_id) as session:
        erasures = session.scalars(select(Erasure.id)).all()
    for erasure_id in erasures:
        assert sweep(fresh.database, workspace_id=actor.workspace_id, erasure_id=erasure_id, home=tmp_path)


def nothing_is_left(fresh, actor, contact_id, tmp_path) -> None:
    swept(fresh, actor, tmp_path)
    with fresh.database.scope(actor.workspace_id) as session:
        person = session.get_one(Contact, contact_id)
        assert (person.display_name, person.erased_at is None, person.deleted_at is None) == ("", False, False)
        living = session.scalars(select(Contact).where(Contact.deleted_at.is_(None))).all()
        assert all(row.erased_at is None and row.display_name for row in living)
    assert rows_that_hold(fresh.owner_url, PLANTED) == []


def second_waits(fresh, actor, first, second) -> list[str]:
    """The answers of two use cases of which the second begins while the first holds its rows, uncommitted."""
    answers = ["", ""]

    def late() -> None:
        try:
            with fresh.database.scope(actor.workspace_id) as session:
                answers[1] = second(session, actor)
        except AppError as refusal:
            answers[1] = refusal.code

    other = threading.Thread(target=late)
    with fresh.database.scope(actor.workspace_id) as session:
        answers[0] = first(session, actor)
        session.flush()
        other.start()
        with fresh.database.scope() as watch:
            while other.is_alive() and not watch.scalar(text("select count(*) from pg_locks where not granted")):
                other.join(0.01)
        assert other.is_alive(), "the second one must wait for the first one's commit"
    other.join(60)
    return answers


@pytest.mark.parametrize("is_kept", [True, False], ids=["who_stays", "who_goes"])
@pytest.mark.parametrize("is_first", [True, False], ids=["merge_first", "erasure_first"])
def test_a_merge_beside_an_erasure_leaves_nothing_of_the_erased(place, tmp_path, is_kept, is_first):
    fresh, actor, (planted, ann, _eva) = place
    kept, other = (planted, ann) if is_kept else (ann, planted)
    merging_them, erasing_them = partial(merge, kept=kept, other=other), partial(erase, contact_id=planted)
    pair = (merging_them, erasing_them) if is_first else (erasing_them, merging_them)
    assert second_waits(fresh, actor, *pair) == (["done", "done"] if is_first else ["done", "erased"])
    nothing_is_left(fresh, actor, planted, tmp_path)
    with fresh.database.scope(actor.workspace_id) as session:
        assert (session.get_one(Contact, ann).erased_at is not None) is is_first, "they were one person by then"


@pytest.mark.parametrize("is_first", [True, False], ids=["restore_first", "erasure_first"])
def test_a_restore_beside_an_erasure_brings_nothing_back(place, tmp_path, is_first):
    fresh, actor, (planted, _ann, _eva) = place
    with fresh.database.scope(actor.workspace_id) as session:
        contact_services.delete(session, actor, contact_id=planted, now=database_now(session))
    restoring, erasing_them = partial(restore, contact_id=planted), partial(erase, contact_id=planted)
    pair = (restoring, erasing_them) if is_first else (erasing_them, restoring)
    answers = second_waits(fresh, actor, *pair)
    assert answers == (["done", "done"] if is_first else ["done", "contact_not_found"])
    nothing_is_left(fresh, actor, planted, tmp_path)


def test_an_undone_merge_beside_an_erasure_brings_nothing_back(place, tmp_path):
    fresh, actor, (planted, ann, _eva) = place
    with fresh.database.scope(actor.workspace_id) as session:
        done = merging.merge(session, actor, kept_id=ann, other_id=planted, now=database_now(session))
        change_set_id = done.change_set.id

    def undo(session, actor) -> str:
        merging.undo_merge(session, actor, change_set_id=change_set_id, now=database_now(session))
        return "done"

    assert second_waits(fresh, actor, partial(erase, contact_id=planted), undo) == ["done", "erased"]
    nothing_is_left(fresh, actor, planted, tmp_path)


def test_a_change_by_hand_beside_an_erasure_writes_nothing_into_the_empty_row(place, tmp_path):
    fresh, actor, (planted, _ann, _eva) = place

    def change(session, actor) -> str:
        given = {"changes": {"city": PLANTED[0]}, "now": database_now(session)}
        contact_services.update(session, actor, contact_id=planted, **given)
        return "done"

    assert second_waits(fresh, actor, partial(erase, contact_id=planted), change) == ["done", "contact_not_found"]
    nothing_is_left(fresh, actor, planted, tmp_path)


def test_two_erasures_of_one_person_and_of_who_was_merged_into_them_are_one(place, tmp_path):
    fresh, actor, (planted, ann, _eva) = place
    assert in_processes(fresh.url, actor, [partial(merge, kept=planted, other=ann)]) == ["done"]
    jobs = [partial(erase, contact_id=one) for one in (planted, ann, planted)]
    answers = in_processes(fresh.url, actor, jobs)
    assert set(answers) <= CLEAN, answers
    with fresh.database.scope(actor.workspace_id) as session:
        assert len(session.scalars(select(Erasure.id)).all()) == 1
    nothing_is_left(fresh, actor, planted, tmp_path)


def test_an_import_beside_an_erasure_brings_nothing_back(place, tmp_path):
    fresh, actor, (planted, _ann, _eva) = place
    folder = tmp_path / "files"
    rows = "".join(f"Name{n};Other{n};n{n}@example.com\n" for n in range(40))
    table = f"Nome;Cognome;E-mail\n{rows}{FIRST};{LAST};{EMAIL}\n"
    with fresh.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        upload = services.upload(
            session, actor, folder=folder, name="x.csv", stream=io.BytesIO(table.encode()), limit=10_000, now=now
        )
        choices = Choices(mapping=upload.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fair", tag="")
        services.configure(session, actor, import_id=upload.id, choices=choices, now=now)
        services.start(session, actor, import_id=upload.id, folder=folder, now=now)
        import_id = upload.id
    fresh.database.engine.dispose()

    def load(session, actor) -> str:
        database = session.info["database"]
        session.rollback()
        runner.run(database, workspace_id=actor.workspace_id, import_id=import_id, folder=folder)
        return "done"

    answers = in_processes(fresh.url, actor, [load, partial(erase, contact_id=planted)])
    assert answers == ["done", "done"]
    nothing_is_left(fresh, actor, planted, tmp_path)


@pytest.mark.parametrize(
    "pairs", [((0, 1), (1, 0)), ((0, 1), (1, 2)), ((0, 1), (2, 1))], ids=["each_other", "a_chain", "one_into_two"]
)
def test_two_merges_at_once_end_in_one_person_or_a_clean_refusal(place, pairs):
    fresh, actor, ids = place
    jobs = [partial(merge, kept=ids[kept], other=ids[other]) for kept, other in pairs]
    answers = in_processes(fresh.url, actor, jobs)
    assert "done" in answers
    assert set(answers) <= CLEAN, answers
    with fresh.database.scope(actor.workspace_id) as session:
        rows = session.scalars(select(Contact)).all()
        living = {row.id for row in rows if row.merged_into_id is None}
        assert len(living) == 3 - answers.count("done")
        assert all(row.merged_into_id in living for row in rows if row.id not in living)
