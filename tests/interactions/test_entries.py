"""One entry: its text with what it said before, its files, and that what is private stays so."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from factories.accounts import user
from factories.contacts import company, contact, interaction

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.errors import ForbiddenError, InvalidInputError
from crm.files.services import FileTooLargeError, path_of
from crm.interactions import queries, services
from crm.interactions.kinds import Visibility


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


@pytest.fixture
def marco(session, actor):
    """A colleague in sales."""
    row = user(session)
    session.add(Membership(user_id=row.id, role=Role.SALES))
    session.flush()
    return replace(actor, role=Role.SALES, user_id=row.id, name="Marco Bini")


def attach(session, actor, row, tmp_path, *, name="offer.pdf", content=b"%PDF", limit=1000):
    return services.attach(
        session,
        actor,
        interaction_id=row.id,
        folder=tmp_path,
        name=name,
        media_type="text/html",
        stream=io.BytesIO(content),
        limit=limit,
    )


def text(response):
    return response.get_data(as_text=True)


def test_an_edited_note_keeps_what_it_said(session, actor, ann, now):
    row = interaction(session, actor, ann.id, "note", body="Wants Germany")
    for number, body in enumerate(["Wants Austria", "Wants Austria", "Wants Spain"]):
        services.edit_text(session, actor, interaction_id=row.id, body=body, now=now + timedelta(minutes=number))
    shown = queries.entry(session, actor, interaction_id=row.id)
    assert (shown.body, shown.edited_at) == ("Wants Spain", now + timedelta(minutes=2))
    earlier = queries.earlier_texts(session, actor, interaction_id=row.id)
    assert [(one.body, one.replaced_by) for one in earlier] == [
        ("Wants Austria", "Giulia Ferri"),
        ("Wants Germany", "Giulia Ferri"),
    ]


def test_words_of_others_and_of_channels_are_not_edited(session, actor, ann, marco, now):
    theirs = interaction(session, actor, ann.id, "note", body="Mine")
    sent = interaction(session, actor, ann.id, "message.sent", channel="email", body="Hello")
    narrow = replace(marco, scopes=frozenset({"edit", "view_all"}))
    for who, row in ((narrow, theirs), (actor, sent)):
        with pytest.raises(ForbiddenError):
            services.edit_text(session, who, interaction_id=row.id, body="Else", now=now)


def test_a_note_of_a_megabyte_is_refused_and_comes_back_whole(client, session, actor, ann, now):
    long = "a" * 1_000_000
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("mode", "note"), ("body", long))
    )
    for given in (
        {"data": {"mode": "note", "body": long}},
        {"data": f"{parts}--x--\r\n", "content_type": "multipart/form-data; boundary=x"},
    ):
        answer = client.post(f"/contacts/{ann.id}/log", **given)
        assert answer.status_code == 422
        assert "too long for a note" in text(answer)
        assert long in text(answer)
    row = interaction(session, actor, ann.id, "note", body="short")
    answer = client.post(f"/interactions/{row.id}/text", data={"body": long})
    assert answer.status_code == 422
    assert long in text(answer)
    with pytest.raises(InvalidInputError):
        services.edit_text(session, actor, interaction_id=row.id, body=long, now=now)
    assert queries.entry(session, actor, interaction_id=row.id).body == "short"


def test_a_file_is_kept_counted_downloaded_and_thrown_away(session, actor, ann, tmp_path):
    row = interaction(session, actor, ann.id, "note", body="x")
    held = attach(session, actor, row, tmp_path, name="../../evil <b>.html", content=b"<script>")
    (shown,) = queries.entry(session, actor, interaction_id=row.id).files
    assert (shown.id, shown.name, shown.size) == (held.id, "evil <b>.html", 8)
    assert queries.stored(session, actor) == (1, 8)
    assert path_of(tmp_path, held.file_id).read_bytes() == b"<script>"
    services.detach(session, actor, file_id=held.id, folder=tmp_path)
    assert queries.stored(session, actor) == (0, 0)
    assert not path_of(tmp_path, held.file_id).exists()


def test_a_file_above_the_limit_or_one_too_many_is_refused(session, actor, ann, tmp_path, monkeypatch):
    from crm.interactions.services import notes

    row = interaction(session, actor, ann.id, "note", body="x")
    with pytest.raises(FileTooLargeError):
        attach(session, actor, row, tmp_path, content=b"x" * 1001)
    monkeypatch.setattr(notes, "MAX_FILES", 1)
    attach(session, actor, row, tmp_path)
    with pytest.raises(InvalidInputError):
        attach(session, actor, row, tmp_path)


def test_a_file_is_there_for_those_who_read_its_entry(session, actor, ann, marco, now, tmp_path):
    row = interaction(session, actor, ann.id, "note", body="x", visibility=Visibility.PRIVATE)
    held = attach(session, actor, row, tmp_path)
    queries.entry_file(session, actor, file_id=held.id)
    with pytest.raises(queries.EntryFileNotFoundError):
        queries.entry_file(session, marco, file_id=held.id)
    services.remove(session, actor, interaction_id=row.id, now=now)
    with pytest.raises(queries.EntryFileNotFoundError):
        queries.entry_file(session, actor, file_id=held.id)


def test_a_download_is_saved_and_never_shown(client, session, actor, ann):
    data = {"mode": "note", "body": "See", "files": (io.BytesIO(b"<script>alert(1)</script>"), "èvil.html")}
    client.post(f"/contacts/{ann.id}/log", data=data, content_type="multipart/form-data")
    (entry,) = queries.timeline(session, actor, contact_id=ann.id).items
    (file,) = entry.files
    assert "èvil.html" in text(client.get(f"/contacts/{ann.id}"))
    answer = client.get(f"/interactions/files/{file.id}")
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = client.post(f"/interactions/files/{file.id}/delete")
    assert page.status_code == 303
    assert client.get(f"/interactions/files/{file.id}").status_code == 404


def test_a_private_note_shows_nowhere_to_others(session, actor, ann, marco, now):
    firm = company(session, actor)
    bea = contact(session, actor, "Bea Sun", company_id=firm.id)
    hidden = {"visibility": Visibility.PRIVATE, "body": "Zanzibar"}
    rows = [interaction(session, actor, bea.id, kind, **hidden) for kind in ("note", "call")]
    rows.append(interaction(session, actor, None, "note", company_id=firm.id, **hidden))
    for whose in ({"contact_id": bea.id}, {"company_id": firm.id}):
        assert queries.timeline(session, marco, **whose).items == []
    assert len(queries.timeline(session, actor, company_id=firm.id).items) == 3
    assert queries.last_exchanges(session, marco, contact_ids=[bea.id]) == {}
    session.refresh(bea)
    assert bea.last_interaction_at is None
    for row in rows:
        with pytest.raises(queries.InteractionNotFoundError):
            queries.earlier_texts(session, marco, interaction_id=row.id)
        with pytest.raises(queries.InteractionNotFoundError):
            services.set_labels(session, marco, interaction_id=row.id, label_ids=[])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "comment", "channel": "instagram", "sentiment": "negative"}, ("comment", "instagram", "negative")),
        ({"kind": "purchase", "amount": "19.90"}, ("purchase", None, None)),
        ({"kind": "visit"}, ("visit", None, None)),
        ({"kind": "review", "post_url": "https://example.com/r/1"}, ("review", None, None)),
    ],
)
def test_every_other_kind_is_logged_from_the_same_place(client, session, actor, ann, given, expected):
    assert client.post(f"/contacts/{ann.id}/log", data={"mode": "other", **given}).status_code == 303
    (entry,) = queries.timeline(session, actor, contact_id=ann.id).items
    assert (entry.kind, entry.channel, entry.sentiment) == expected
    assert entry.amount_minor == (1990 if given.get("amount") else None)


def test_an_entry_gets_its_mood_labels_and_files_on_its_own_page(client, session, actor, ann):
    row = interaction(session, actor, ann.id, "comment", body="Hm", channel="instagram")
    url = f"/interactions/{row.id}"
    given = {"sentiment": "negative", "labels": ["complaint"], "new_label": "Delivery"}
    assert client.post(f"{url}/meaning", data=given).status_code == 303
    session.expire_all()
    shown = queries.entry(session, actor, interaction_id=row.id)
    assert (shown.sentiment, sorted(label.key for label in shown.labels)) == ("negative", ["complaint", "delivery"])
    page = text(client.get(url))
    assert "Delivery" in page
    assert "negative, unanswered" in page
    narrowed = text(client.get(f"/contacts/{ann.id}?mood=positive"))
    assert "Nothing like that has happened" in narrowed
    assert "Hm" in text(client.get(f"/contacts/{ann.id}?mood=negative&kind=comment&channel=instagram"))
    assert client.get(f"/contacts/{ann.id}?mood=x&label=y&kind=z").status_code == 200
    assert client.post(f"{url}/files").status_code == 422


def test_the_settings_page_adds_and_refuses(client, session, actor):
    page = "/settings/timeline"
    assert client.post(f"{page}/kinds", data={"name": "Fair", "icon": "flag", "tone": "accent"}).status_code == 303
    assert client.post(f"{page}/kinds", data={"name": "fair", "icon": "flag", "tone": "accent"}).status_code == 422
    assert client.post(f"{page}/labels", data={"name": "Idea", "tone": "ok"}).status_code == 303
    assert client.post(f"{page}/rules/examples").status_code == 303
    assert client.post(f"{page}/rules", data={"phrase": "ecco"}).status_code == 422
    assert client.post(f"{page}/rules", data={"phrase": "ecco", "sentiment": "neutral"}).status_code == 303
    shown = text(client.get(page))
    assert all(word in shown for word in ("Fair", "Idea", "non funziona", "ecco"))
    label = queries.labels(session, actor)[0]
    for url, given in (("kinds/own.fair", {"name": "Trade fair", "icon": "star", "tone": "plain"}),
                       (f"labels/{label.id}", {"name": "Other", "tone": "plain"})):  # fmt: skip
        assert client.get(f"{page}/{url}").status_code == 200
        assert client.post(f"{page}/{url}", data={**given, "name": ""}).status_code == 422
        assert client.post(f"{page}/{url}", data=given).status_code == 303
        assert client.post(f"{page}/{url}/archive").status_code == 303
    assert "no longer offered" in text(client.get(page))


def test_the_api_keeps_kinds_labels_rules_and_files(client, ann):
    v1 = "/api/v1"
    kind = client.post(f"{v1}/interaction-kinds", json={"name": "Fair", "icon": "flag"}).json
    assert client.put(f"{v1}/interaction-kinds/{kind['key']}", json={"name": "Trade fair"}).json["name"] == "Trade fair"
    label = client.post(f"{v1}/interaction-labels", json={"name": "Idea"}).json
    assert client.put(f"{v1}/interaction-labels/{label['id']}", json={"name": "Thought"}).json["name"] == "Thought"
    rule = client.post(f"{v1}/keyword-rules", json={"phrase": "wow", "label_id": label["id"]}).json
    given = {"kind": kind["key"], "contact_id": str(ann.id), "direction": "inbound", "body": "Wow!"}
    made = client.post(f"{v1}/interactions", json=given).json
    assert [one["name"] for one in made["labels"]] == ["Thought"]
    url = f"{v1}/interactions/{made['id']}"
    assert client.patch(url, json={"body": "Else", "label_ids": []}).json["labels"] == []
    file = client.post(f"{url}/files?name=a.txt", data=b"abc", content_type="text/plain").json
    assert file["size"] == 3
    assert client.get(f"{v1}/interactions/files/{file['id']}").data == b"abc"
    listed = client.get(f"{v1}/contacts/{ann.id}/timeline?label_id={label['id']}").json
    assert listed["items"] == []
    assert client.get(f"{v1}/contacts/{ann.id}/timeline?kinds={kind['key']}&sentiment=positive").json["items"] == []
    for gone in (f"interactions/files/{file['id']}", f"keyword-rules/{rule['id']}", f"interaction-kinds/{kind['key']}",
                 f"interaction-labels/{label['id']}"):  # fmt: skip
        assert client.delete(f"{v1}/{gone}").status_code == 204
    assert client.get(f"{v1}/keyword-rules").json["items"] == []
    assert client.get(f"{v1}/interaction-kinds").json["items"][0]["archived_at"] is not None
    assert client.get(f"{v1}/interaction-labels").json["items"][0]["archived_at"] is not None
