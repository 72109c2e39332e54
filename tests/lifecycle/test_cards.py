"""Contact cards as the address books of this world write them become rows of a table."""

import io
import tracemalloc

import pytest

from crm.lifecycle.rules import cards, reading, tables, vcard
from crm.lifecycle.rules.columns import Target

# iOS and macOS Contacts: 3.0, grouped labels, the year 1604 for none, a company card, folded lines.
APPLE = """BEGIN:VCARD\r
VERSION:3.0\r
PRODID:-//Apple Inc.//macOS 14.5//EN\r
N:Perù;Niccolò;;;\r
FN:Niccolò Perù\r
ORG:Vetreria D’Amico\\, Figli;Vendite\r
TITLE:Direttore\r
item1.EMAIL;type=INTERNET;type=pref:niccolo@example.it\r
item1.X-ABLabel:_$!<Work>!$_\r
EMAIL;type=INTERNET;type=HOME:casa@example.it\r
TEL;type=CELL;type=VOICE;type=pref:+39 339 123 4567\r
item2.TEL:+39 055 123456\r
item2.X-ABLabel:_$!<HomeFAX>!$_\r
item3.ADR;type=HOME:;;Via Roma 1\\nScala B;Firenze;FI;50123;Italia\r
item3.X-ABADR:it\r
BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-21\r
X-SOCIALPROFILE;type=instagram;x-user=nicco.peru:https://instagram.com/nicco.peru\r
NOTE:Ama la ceramica\\, molto\\nRichiamare\r
PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD\r
 AAAAAAAAAAAAA==\r
END:VCARD\r
BEGIN:VCARD\r
VERSION:3.0\r
N:;;;;\r
FN:Lavanderia Sole\r
ORG:Lavanderia Sole;\r
TEL:+39 055 654321\r
X-ABShowAs:COMPANY\r
END:VCARD\r
"""
# Google Contacts: 3.0, bytes of one letter folded apart, labels as categories, WhatsApp as a custom label.
GOOGLE = """BEGIN:VCARD
VERSION:3.0
FN:Zoë Bianchi
N:Bianchi;Zoë;Maria;;
EMAIL;TYPE=INTERNET;TYPE=HOME:zoe@example.it
TEL;TYPE=CELL:+393391112223
item1.TEL:+393394445556
item1.X-ABLabel:WhatsApp
ORG:Caffè Forlì
BDAY:--0229
item2.URL:https://www.linkedin.com/in/zoe-bianchi
item2.X-ABLabel:Profilo
CATEGORIES:myContacts,Fiera 2026
END:VCARD
"""
# Outlook: 2.1, quoted-printable with soft breaks in Windows-1252, types without TYPE=.
OUTLOOK = b"""BEGIN:VCARD\r
VERSION:2.1\r
N;LANGUAGE=it;CHARSET=Windows-1252:Citt\xe0;Andr\xe9\r
FN;CHARSET=Windows-1252:Andr\xe9 Citt\xe0\r
ORG:Societ\xe0 Agricola;Acquisti\r
TITLE;ENCODING=QUOTED-PRINTABLE;CHARSET=Windows-1252:Responsabile qualit=E0 e =\r
sviluppo\r
TEL;WORK;VOICE:+39 02 12345678\r
TEL;WORK;FAX:+39 02 87654321\r
ADR;WORK;PREF:;;Via Dante 5;Milano;;20121;Italy\r
BDAY:19800421\r
EMAIL;PREF;INTERNET:andre@example.it\r
PHOTO;TYPE=JPEG;ENCODING=BASE64:\r
 /9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQY\r
 GBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYa\r
\r
REV:20260101T000000Z\r
END:VCARD\r
"""
# Android: 2.1, quoted-printable UTF-8 whose lines go on without an indent, a picture without one.
ANDROID = b"""BEGIN:VCARD
VERSION:2.1
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=D0=B0=D0=BD=D0=BE=D0=B2;=D0=98=D0=B2=
=D0=B0=D0=BD;;;
FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=98=D0=B2=D0=B0=D0=BD
TEL;CELL;PREF:339 765 4321
EMAIL;HOME:ivan@example.it
NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:prima=0D=0Aseconda
PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

X-ANDROID-CUSTOM:vnd.android.cursor.item/nickname;Vanja;1;;;;;;;;;;;;;
END:VCARD
"""
# Nextcloud: 4.0, values as addresses, quoted parameters, a list of people.
NEXTCLOUD = """BEGIN:VCARD
VERSION:4.0
UID:3f1c9a70-1111-4222-8333-444455556666
PRODID:-//Nextcloud Contacts v5.5
FN:Sofia Neri
N:Neri;Sofia;;Dott.ssa;
EMAIL;TYPE="HOME,internet";PREF=2:sofia.casa@example.it
EMAIL;PREF=1:sofia@example.it
TEL;VALUE=uri;TYPE="voice,cell":tel:+39-339-888-7777
BDAY:19751231
LANG:it
TZ:Europe/Rome
IMPP;X-SERVICE-TYPE=Telegram:telegram:sofia_neri
X-SOCIALPROFILE;TYPE=MASTODON:https://mastodon.uno/@sofia
CATEGORIES:Clienti,Stampa
END:VCARD
BEGIN:VCARD
VERSION:4.0
KIND:group
FN:Amici
MEMBER:urn:uuid:3f1c9a70-1111-4222-8333-444455556666
END:VCARD
"""


def table(content: bytes | str) -> tuple[list[str], list[dict[str, str]]]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    found = tables.open_table(file)
    rows = [dict(zip(found.columns, line, strict=True)) for line in found.rows]
    return found.columns, [{name: value for name, value in row.items() if value} for row in rows]


def test_apples_cards_are_read():
    columns, (person, company) = table(APPLE)

    assert person == {
        "first_name": "Niccolò",
        "last_name": "Perù",
        "title": "Direttore",
        "company_name": "Vetreria D’Amico, Figli",
        "email": "niccolo@example.it",
        "email (2)": "casa@example.it",
        "phone": "+39 339 123 4567",
        "birthday": "--04-21",
        "street": "Via Roma 1 Scala B, 50123",
        "city": "Firenze",
        "country": "Italia",
        "instagram": "@nicco.peru",
        "interests": "Ama la ceramica, molto\nRichiamare",
    }
    assert company == {"company_name": "Lavanderia Sole", "phone": "+39 055 654321"}
    assert columns[:2] == ["first_name", "last_name"]


def test_googles_cards_are_read():
    folded = GOOGLE.encode().replace("Zoë B".encode(), b"Zo" + b"\xc3\r\n \xab B")
    _columns, (person,) = table(folded)

    assert person == {
        "first_name": "Zoë Maria",
        "last_name": "Bianchi",
        "company_name": "Caffè Forlì",
        "email": "zoe@example.it",
        "phone": "+393391112223",
        "whatsapp": "+393394445556",
        "linkedin": "linkedin.com/in/zoe-bianchi",
        "birthday": "--02-29",
        "tags": "Fiera 2026",
    }


def test_outlooks_cards_are_read():
    _columns, (person,) = table(OUTLOOK)

    assert person == {
        "first_name": "André",
        "last_name": "Città",
        "company_name": "Società Agricola",
        "title": "Responsabile qualità e sviluppo",
        "phone": "+39 02 12345678",
        "email": "andre@example.it",
        "birthday": "1980-04-21",
        "street": "Via Dante 5, 20121",
        "city": "Milano",
        "country": "Italy",
    }


def test_androids_cards_are_read():
    _columns, (person,) = table(ANDROID)

    assert person == {
        "first_name": "Иван",
        "last_name": "Иванов",
        "phone": "339 765 4321",
        "email": "ivan@example.it",
        "interests": "prima\r\nseconda",
    }


def test_nextclouds_cards_are_read_and_its_groups_are_no_people():
    _columns, (person,) = table(NEXTCLOUD)

    assert person == {
        "external_id": "3f1c9a70-1111-4222-8333-444455556666",
        "first_name": "Sofia",
        "last_name": "Neri",
        "email": "sofia@example.it",
        "email (2)": "sofia.casa@example.it",
        "phone": "+39-339-888-7777",
        "telegram": "sofia_neri",
        "mastodon": "https://mastodon.uno/@sofia",
        "birthday": "1975-12-31",
        "language": "it",
        "time_zone": "Europe/Rome",
        "tags": "Clienti; Stampa",
    }


def test_the_ids_of_other_programs_are_offered_but_not_taken():
    assert tables.open_table(io.BytesIO(NEXTCLOUD.encode())).meanings["external_id"] is Target.IGNORE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_cards_are_read_to_the_letter_in_any_encoding(encoding):
    text = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Perù;Niccolò;;;\r\nNOTE:L’età\r\nEND:VCARD\r\n"
    _columns, (person,) = table(text.encode(encoding))

    assert (person["first_name"], person["last_name"], person["interests"]) == ("Niccolò", "Perù", "L’età")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("BDAY:1980-04-21T00:00:00Z", "1980-04-21"),
        ("BDAY;VALUE=date:1980-04-21", "1980-04-21"),
        ("BDAY:--0421", "--04-21"),
        ("BDAY:--04-21", "--04-21"),
        ("BDAY;X-APPLE-OMIT-YEAR=1800:1800-02-29", "--02-29"),
        ("BDAY;VALUE=text:circa 1980", ""),
        ("BDAY:1980-04", ""),
        ("BDAY:---21", ""),
    ],
)
def test_birthdays_are_read_with_and_without_a_year(written, read):
    _columns, (person,) = table(f"BEGIN:VCARD\nVERSION:4.0\nN:Neri;Ada;;;\n{written}\nEND:VCARD\n")

    assert person.get("birthday", "") == read


@pytest.mark.parametrize(("line", "lines"), [(75, 30_000), (20_000_000, 1)])
def test_a_picture_of_many_megabytes_is_passed_over_in_little_memory(line, lines):
    picture = b"\n ".join([b"A" * line] * lines)
    card = b"BEGIN:VCARD\nVERSION:3.0\nN:Neri;Ada;;;\nPHOTO;ENCODING=b:%s\nEMAIL:ada@example.it\nEND:VCARD\n" % picture
    file = io.BytesIO(card)

    tracemalloc.start()
    rows = list(cards.read(file))
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rows == [{Target.FIRST_NAME: ["Ada"], Target.LAST_NAME: ["Neri"], Target.EMAIL: ["ada@example.it"]}]
    assert most < 2_000_000


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("BEGIN:VCARD\nVERSION:3.0\nN:Neri;Ada;;;\n", "broken_vcard"),
        ("BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n", "no_rows"),
        ("BEGIN:VCARD\nKIND:group\nFN:Amici\nEND:VCARD\n", "no_rows"),
        ("BEGIN:VCARD\nFN:Ada\n" + "TEL:+390551\n" * 5000 + "END:VCARD\n", "broken_vcard"),
        ("BEGIN:VCARD\nFN:Ada\n" + "".join(f"TEL:{n}\n" for n in range(250)) + "END:VCARD\n", "too_wide"),
    ],
)
def test_what_holds_nobody_is_refused_with_its_reason(content, code):
    with pytest.raises(reading.UnreadableFileError) as refusal:
        list(tables.open_table(io.BytesIO(content.encode())).rows)

    assert refusal.value.code == code


def test_more_cards_than_anybody_waits_for_are_refused(monkeypatch):
    monkeypatch.setattr(vcard, "MAX_CARDS", 2)
    file = io.BytesIO(b"BEGIN:VCARD\nFN:Ada Neri\nEND:VCARD\n" * 3)

    with pytest.raises(reading.UnreadableFileError) as refusal:
        tables.open_table(file)

    assert refusal.value.code == "too_many_cards"


def test_a_group_of_thousands_of_members_does_not_stop_the_people_beside_it():
    members = "".join(f"MEMBER:urn:uuid:{number}\nX-ADDRESSBOOKSERVER-MEMBER:urn:{number}\n" for number in range(3000))
    group = f"BEGIN:VCARD\nVERSION:3.0\nX-ADDRESSBOOKSERVER-KIND:group\nFN:Clienti\n{members}END:VCARD\n"

    _columns, people = table(f"{group}BEGIN:VCARD\nVERSION:3.0\nN:Neri;Ada;;;\nEND:VCARD\n")

    assert people == [{"first_name": "Ada", "last_name": "Neri"}]


def test_a_card_within_a_card_and_a_broken_line_are_passed_over():
    inner = "AGENT:\nBEGIN:VCARD\nN:Blu;Eva\nEND:VCARD\n"
    _columns, (person,) = table(f"BEGIN:VCARD\nVERSION:2.1\nN:Neri;Ada\n{inner}???\nEMAIL:a@b.it\nEND:VCARD\n")

    assert person == {"first_name": "Ada", "last_name": "Neri", "email": "a@b.it"}


def test_a_preference_that_is_no_number_says_nothing():
    card = "BEGIN:VCARD\nVERSION:4.0\nFN:Ada\nEMAIL;PREF=²:a@example.it\nEMAIL;PREF=2:b@example.it\nEND:VCARD\n"
    assert table(card)[1][0]["email"] == "b@example.it"
