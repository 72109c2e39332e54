"""The pages of imports, from the file to the result."""

import io
import re

import pytest
from sqlalchemy import select

from crm.contacts import queries as contacts
from crm.jobs import JobName
from crm.lifecycle import runner
from crm.lifecycle.kinds import ImportState
from crm.lifecycle.models import Import
from crm.lifecycle.rules.formulas import safe

TABLE = "Nome;E-mail;Colore;Nota\nAnn;ann@example.it;blu;\nBob;bob.example;=1+1;\n"


@pytest.fixture
def uploaded(client, session):
    answer = client.post("/imports/new", data={"file": (io.BytesIO(TABLE.encode()), "gente.csv")})
    assert answer.status_code in {302, 303}
    return session.scalars(select(Import)).one()


def _form(row, **changes):
    chosen = {f"column_{index}": row.mapping[column] for index, column in enumerate(row.columns)}
    return {**chosen, "mode": "upsert", "source": "Fiera", "basis": "consent", "tag": "", **changes}


def test_the_first_visit_says_what_the_page_is_for(client):
    page = client.get("/imports").text

    assert "Bring your people in" in page


@pytest.mark.parametrize("path", ["/imports", "/exports", "/settings/fields"])
def test_an_empty_page_has_one_primary_action(client, path):
    assert client.get(path).text.count("fd-button--primary") == 1


def test_a_file_goes_from_upload_to_result(client, session, uploaded, jobs, transaction, settings):
    page = client.get(f"/imports/{uploaded.id}").text
    assert re.search(r"Ann\s*<span[^>]*>ann@example.it", page)
    assert "This is not an e-mail address." in page

    answer = client.post(f"/imports/{uploaded.id}", data=_form(uploaded))
    assert answer.status_code in {302, 303}
    # The bar moves by itself; a word beside the title would go stale.
    assert "about to start" not in client.get(f"/imports/{uploaded.id}").text
    assert jobs.rung == [(JobName.RUN_IMPORT, {"workspace_id": uploaded.workspace_id, "import_id": uploaded.id})]
    runner.run(transaction, workspace_id=uploaded.workspace_id, import_id=uploaded.id, folder=settings.home / "files")
    session.expire_all()

    assert uploaded.state == ImportState.DONE
    result = client.get(f"/imports/{uploaded.id}").text
    assert "Rows that were left out" in result
    assert ">Bob, bob.example, =1+1<" in result
    assert 'href="/contacts"' in result
    refused = client.get(f"/imports/{uploaded.id}/refused.csv")
    assert refused.mimetype == "text/csv"
    assert "bob.example;'=1+1;;3;E-mail;This is not an e-mail address." in refused.get_data().decode("utf-8-sig")


def test_the_result_leads_to_the_people_of_the_file(client, session, actor, uploaded, transaction, settings):
    client.post(f"/imports/{uploaded.id}", data=_form(uploaded, tag="Fiera di Rimini"))
    runner.run(transaction, workspace_id=uploaded.workspace_id, import_id=uploaded.id, folder=settings.home / "files")
    session.expire_all()

    tag = contacts.tag_by_name(session, actor, name="fiera di rimini")
    assert tag is not None
    assert f'href="/contacts?tag={tag.id}"' in client.get(f"/imports/{uploaded.id}").text


def test_the_preview_is_shown_anew_without_starting(client, session, uploaded, jobs):
    client.post(f"/imports/{uploaded.id}", data=_form(uploaded, preview="1", column_1=""))

    session.expire_all()
    assert (uploaded.mapping["E-mail"], uploaded.state, jobs.rung) == ("", ImportState.UPLOADED, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "Say where they come from."),
        (
            {"column_0": "email", "column_1": "birthday", "column_2": "birthday"},
            "This is chosen for another column already.",
        ),
        ({"column_0": "", "column_1": "", "column_2": "city"}, "Choose at least one column"),
        ({"column_0": "shoe"}, "Not a valid choice"),
    ],
)
def test_impossible_choices_come_back_with_their_reason_and_start_nothing(
    client, session, uploaded, jobs, changes, message
):
    answer = client.post(f"/imports/{uploaded.id}", data=_form(uploaded, **changes))

    assert answer.status_code == 422
    assert message in answer.text
    session.expire_all()
    assert (uploaded.state, jobs.rung) == (ImportState.UPLOADED, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty."),
        (b"a@b.it;x\nc@d.it;y\n", "The first line holds values"),
        (b"\x00\x01\x02\x00binary", "This is not a text file."),
        (b"\xef\xbb\xbfNome;E-mail\nNiccol\xf2;n@example.it\n", "Some letters of this file can’t be read."),
    ],
)
def test_an_unusable_file_is_refused_beside_its_field_and_not_kept(client, session, settings, content, message):
    answer = client.post("/imports/new", data={"file": (io.BytesIO(content), "x.csv")})

    assert answer.status_code == 422
    assert message in answer.text
    assert session.scalars(select(Import)).all() == []
    assert [path for path in (settings.home / "files").rglob("*") if path.is_file()] == []


@pytest.fixture
def large(tmp_path):
    """A table of 50 MB, as a file that is read in pieces."""
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(b"Nome;E-mail\n")
        for _ in range(50):
            file.write(b"Ann;ann@example.com\n" * 52_429)
    assert path.stat().st_size > 50 * 1024 * 1024
    return path


def post(browser, address, path, *, language="en", **fields):
    """Send a file as a browser does; the piece of the disk on which the body lay is given back."""
    with path.open("rb") as file:
        fields["file"] = (file, path.name)
        answer = browser.post(address, data=fields, headers={"Accept-Language": language})
    answer.request.environ["wsgi.input"].close()
    return answer


@pytest.mark.parametrize(("locale", "words"), [("en", "larger than 25 MB"), ("it", "più di 25 MB")])
def test_an_upload_of_50_mb_is_refused_beside_the_field(client, session, house, settings, large, locale, words):
    house.user.locale = locale
    session.flush()
    answer = post(client, "/imports/new", large)

    assert answer.status_code == 413
    assert re.search(rf'id="file-error"[^>]*>(?:(?!</p>).)*{words}', answer.text, re.DOTALL)
    assert 'name="file"' in answer.text
    assert session.scalars(select(Import)).all() == []
    assert not (settings.home / "files").exists()


def test_a_stranger_s_upload_beyond_the_limit_leads_to_the_sign_in(anonymous, house, large):
    answer = post(anonymous, "/imports/new", large)
    assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize(("language", "words"), [("en", "larger than 25 MB"), ("it", "più di 25 MB")])
def test_the_api_refuses_an_upload_of_50_mb_with_a_problem(client, large, language, words):
    answer = post(client, "/api/v1/imports", large, source="Fair", language=language)
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
    assert answer.get_json()["code"] == "file_too_large"
    assert words in answer.get_json()["title"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("+39 333 123", "+39 333 123"), ("-5", "-5"), ("-a", "'-a"), ("Ann", "Ann")],
)
def test_cells_can_not_become_formulas(cell, written):
    assert safe(cell) == written
