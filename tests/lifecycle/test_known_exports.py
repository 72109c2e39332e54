"""The exports of known programs map by themselves, each with its program noted."""

import io
import json

import pytest
from sqlalchemy import select

from crm.consent.kinds import Basis
from crm.contacts.kinds import Lifecycle
from crm.contacts.models import Contact, Handle
from crm.lifecycle import runner, services
from crm.lifecycle.kinds import ImportMode, ImportState
from crm.lifecycle.rules import guessing
from crm.lifecycle.rules.columns import Target, guess
from crm.lifecycle.rules.people import join_tags, split_tags
from crm.lifecycle.rules.tables import FileKind
from crm.lifecycle.words import TARGETS

GOOGLE = (
    "First Name,Middle Name,Last Name,Phonetic First Name,Name Prefix,Nickname,File As,Organization Name,"
    "Organization Title,Organization Department,Birthday,Notes,Photo,Labels,E-mail 1 - Label,E-mail 1 - Value,"
    "E-mail 2 - Label,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value,Address 1 - Label,Address 1 - Street,"
    "Address 1 - City,Address 1 - Country\n"
    "Zoë,Maria,Bianchi,,,,,Caffè Forlì,Titolare,,1980-04-21,Nota,,* myContacts ::: Fiera,Work,zoe@example.it ::: "
    "zoe2@example.it,,,Mobile,339 111 2223,Home,Via Roma 1,Forlì,IT\n"
)
GOOGLE_OLD = (
    "Name,Given Name,Additional Name,Family Name,Birthday,Notes,Language,Photo,Group Membership,E-mail 1 - Type,"
    "E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value,Organization 1 - Name,Organization 1 - Title\n"
    "Zoë Bianchi,Zoë,,Bianchi,--04-21,,,,* myContacts ::: Fiera,* Work,zoe@example.it,Mobile,339 111 2223,"
    "Caffè Forlì,Titolare\n"
)
OUTLOOK = (
    "Title,First Name,Middle Name,Last Name,Suffix,Company,Department,Job Title,Business Street,Business City,"
    "Business Country/Region,Business Fax,Business Phone,Mobile Phone,Birthday,Categories,E-mail Address,E-mail Type,"
    "E-mail Display Name,E-mail 2 Address,Notes,Web Page\n"
    "Dr.,Zoë,,Bianchi,,Caffè Forlì,,Titolare,Via Roma 1,Forlì,Italy,+39 02 1,,339 111 2223,4/12/1980,Fiera,"
    "zoe@example.it,SMTP,Zoë,zoe2@example.it,Nota,\n"
)
OUTLOOK_IT = (
    "Titolo,Nome,Secondo nome,Cognome,Titolo straniero,Società,Reparto,Posizione,Via (uff.),Città (uff.),"
    "Paese/area geografica (uff.),Fax (uff.),Ufficio,Cellulare,Compleanno,Categorie,Indirizzo posta elettronica,"
    "Tipo posta elettronica,Nome visualizzato posta elettronica,Indirizzo posta elettronica 2,Note\n"
    "Dott.,Zoë,,Bianchi,,Caffè Forlì,,Titolare,Via Roma 1,Forlì,Italia,,,339 111 2223,0/0/00,Fiera,zoe@example.it,"
    "SMTP,Zoë,zoe2@example.it,Nota\n"
)
LINKEDIN = (
    "Notes:\n"
    '"When exporting your connection data, you may notice that some of the email addresses are missing, see'
    ' https://www.linkedin.com/help/linkedin/answer/261"\n'
    "\n"
    "First Name,Last Name,URL,Email Address,Company,Position,Connected On\n"
    "Zoë,Bianchi,https://www.linkedin.com/in/zoe-bianchi,,Caffè Forlì,Titolare,12 Mar 2024\n"
)
HUBSPOT = (
    "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lifecycle Stage,Job Title,Company Name,City,"
    "Country/Region\n"
    "151,Zoë,Bianchi,zoe@example.it,+39 339 111 2223,Giulia,Marketing Qualified Lead,Titolare,Caffè Forlì,Forlì,Italy\n"
)
MAILCHIMP = (
    '"Email Address","First Name","Last Name",Address,"Phone Number",Birthday,MEMBER_RATING,OPTIN_TIME,LEID,EUID,NOTES,'
    "TAGS\n"
    'zoe@example.it,Zoë,Bianchi,"Via Roma 1, Forlì",339 111 2223,04/21,2,2024-01-01 10:00:00,1,a1,,"""Fiera"""\n'
)


@pytest.fixture
def bring(session, transaction, actor, tmp_path, now):
    def bring(content: str | bytes, name: str = "gente.csv", **chosen):
        stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
        row = services.upload(session, actor, folder=tmp_path, name=name, stream=stream, limit=10**6, now=now)
        choices = services.Choices(
            mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.UNKNOWN, source="Prova",
            month_first=row.month_first,
            new_lifecycle=Lifecycle(row.new_lifecycle) if row.new_lifecycle else None, **chosen,
        )  # fmt: skip
        services.configure(session, actor, import_id=row.id, choices=choices, now=now)
        services.start(session, actor, import_id=row.id, folder=tmp_path, now=now)
        session.flush()
        runner.run(transaction, workspace_id=row.workspace_id, import_id=row.id, folder=tmp_path)
        session.expire_all()
        assert row.state == ImportState.DONE
        return row

    return bring


@pytest.mark.parametrize(
    ("table", "program", "birthday", "addresses"),
    [
        (GOOGLE, "google", (21, 4, 1980), {"zoe@example.it", "zoe2@example.it", "+393391112223"}),
        (GOOGLE_OLD, "google", (21, 4, None), {"zoe@example.it", "+393391112223"}),
        (OUTLOOK, "outlook", (12, 4, 1980), {"zoe@example.it", "zoe2@example.it", "+393391112223"}),
        (OUTLOOK_IT, "outlook", (None, None, None), {"zoe@example.it", "zoe2@example.it", "+393391112223"}),
        (LINKEDIN, "linkedin", (None, None, None), {"in/zoe-bianchi"}),
        (HUBSPOT, "hubspot", (None, None, None), {"zoe@example.it", "+393391112223"}),
        (MAILCHIMP, "mailchimp", (None, None, None), {"zoe@example.it", "+393391112223"}),
    ],
    ids=["google", "google until 2024", "outlook", "outlook in Italian", "linkedin", "hubspot", "mailchimp"],
)
def test_a_known_export_needs_no_choices(session, bring, table, program, birthday, addresses):
    row = bring(table)

    assert (row.program, row.created, row.refused) == (program, 1, 0)
    zoe = session.scalars(select(Contact)).one()
    assert zoe.last_name == "Bianchi"
    assert zoe.first_name.split()[0] == "Zoë"
    assert zoe.title == ("" if program == "mailchimp" else "Titolare")
    assert (zoe.birth_day, zoe.birth_month, zoe.birth_year) == birthday
    assert set(session.scalars(select(Handle.address_norm))) == addresses


def test_the_page_offers_the_program_and_the_day_as_the_source(client, session):
    answer = client.post("/imports/new", data={"file": (io.BytesIO(LINKEDIN.encode()), "Connections.csv")})
    page = client.get(answer.headers["Location"]).text

    assert "This looks like an export of LinkedIn connections" in page
    assert 'value="LinkedIn connections, ' in page


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("following", [False, True])
def test_instagrams_lists_become_handles(session, bring, wrapped, following):
    entries = [
        {"title": "", "string_list_data": [{"href": "https://www.instagram.com/nicco", "value": "nicco"}]},
        {"title": "zoe.b", "string_list_data": [{"href": "https://www.instagram.com/_u/zoe.b", "timestamp": 1}]},
        {"title": "", "string_list_data": [{"href": "https://www.instagram.com/_u/ada_n"}]},
    ]
    content = {"relationships_following": entries} if following else entries
    content = {"relationships_followers": entries} if wrapped and not following else content
    row = bring(json.dumps(content), "followers_1.json")

    assert (row.created, row.program) == (3, "instagram")
    assert set(session.scalars(select(Handle.address_norm))) == {"nicco", "zoe.b", "ada_n"}
    # Whom we follow does not follow us.
    assert set(session.scalars(select(Contact.lifecycle))) == {"lead" if following else "follower"}


def test_a_customer_who_follows_stays_a_customer(session, bring):
    bring("Nome,Instagram,Fase\nNicco,@nicco,cliente\n")

    row = bring(json.dumps([{"string_list_data": [{"value": "nicco"}]}]), "followers_1.json")

    assert (row.created, row.unchanged) == (0, 1)
    assert session.scalars(select(Contact.lifecycle)).one() == "customer"


@pytest.mark.parametrize(
    ("name", "table", "target"),
    [
        ("instagram_followers.csv", "username,full name\nnicco,Niccolò\n", Target.INSTAGRAM),
        ("lista.csv", "Username,Profile URL\nnicco,https://x.com/nicco\n", Target.X),
        ("telegram-followers.csv", "user_name\nnicco_p\n", Target.TELEGRAM),
    ],
)
def test_lists_of_accounts_say_their_network_by_their_links_or_name(bring, session, name, table, target):
    row = bring(table, name)

    assert target.value in row.mapping.values()
    assert row.created == 1
    assert session.scalars(select(Handle.channel)).one() == target.value
    assert row.new_lifecycle == ("follower" if "followers" in name else "")


def test_json_of_something_else_is_refused(client):
    for content in (b"{}", b"[1, 2]", b'[{"a": 1}]', b"[" * 100_000, b'{"relationships_following": 3}'):
        answer = client.post("/imports/new", data={"file": (io.BytesIO(content), "x.json")})
        assert answer.status_code == 422
        assert "no list of accounts" in answer.text


@pytest.mark.parametrize("locale", ["en", "it"])
def test_every_meaning_is_guessed_from_its_own_label(app, locale):
    with app.test_request_context(headers={"Accept-Language": locale}):
        labels = {target: str(label) for target, label in TARGETS.items() if target is not Target.IGNORE}
    alone = {target: guess([label, "Surname"])[label] for target, label in labels.items()}

    assert {target: found for target, found in alone.items() if found is not target} == {}


def test_the_order_of_day_and_month_is_told_by_a_day_that_allows_only_one():
    def month_first(*days: str) -> bool:
        return guessing.suggest(
            kind=FileKind.CSV,
            name="a.csv",
            columns=["Nome", "Compleanno"],
            certain={},
            rows=[["Ann", day] for day in days],
        ).month_first

    assert not month_first("4/12/1980")
    assert not month_first("4/12/1980", "21/04/1980")
    assert month_first("4/12/1980", "04/21/1980")


@pytest.mark.parametrize("tags", [["a"], ["a, b", "c"], ['5" tubi', "x;y", "z|w"], ['"', '""', "q:::r"], ["é 🌻"]])
def test_tags_come_back_from_their_cell(tags):
    assert split_tags(join_tags(tags)) == tags
