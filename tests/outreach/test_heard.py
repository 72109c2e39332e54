"""Words that people bring in by hand: pasted answers are answers, and public comments wait in public."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from factories.contacts import handle
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.models import Handle
from crm.errors import InvalidInputError
from crm.events import ReplyReceived
from crm.interactions.kinds import Sentiment, Visibility
from crm.interactions.models import Interaction
from crm.outreach import services
from crm.outreach.models import Conversation, Message
from crm.outreach.networks import is_post_url, network_of
from crm.outreach.pasted import MAX_MESSAGES, Said, names, read

ROME = ZoneInfo("Europe/Rome")
NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
POST = "https://www.instagram.com/p/C0/c/1/"


def seen(text):
    return [(one.who, one.at.strftime("%d.%m.%Y %H:%M") if one.at else None, one.text) for one in read_at_noon(text)]


def read_at_noon(text):
    return read(text, zone=ROME, now=NOON)


# Reading


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Va bene,\ngrazie", [("", None, "Va bene,\ngrazie")]),
        ("[10:15, 23/11/2026] Ann Bo: Ciao", [("Ann Bo", "23.11.2026 10:15", "Ciao")]),
        ("[22/11, 18:05] Ann Bo: Ciao\na tutti", [("Ann Bo", "22.11.2026 18:05", "Ciao\na tutti")]),
        ("[24/12, 9:00] Ann: Auguri", [("Ann", "24.12.2025 09:00", "Auguri")]),
        ("23/11/2026, 10:15 - Ann: Ciao: sì", [("Ann", "23.11.2026 10:15", "Ciao: sì")]),
        ("\u200e[22/11/26, 10:15:32] Ann: Ok", [("Ann", "22.11.2026 10:15", "Ok")]),
        ("[11/22/26, 6:05 PM] Ann: Fine", [("Ann", "22.11.2026 18:05", "Fine")]),
        ("[30/02, 10:15] Ann: Mai", [("", None, "[30/02, 10:15] Ann: Mai")]),
        ("Inoltrato\n[22/11, 18:05] Ann: Ciao", [("", None, "Inoltrato"), ("Ann", "22.11.2026 18:05", "Ciao")]),
        (
            "Ci vediamo alle 10:15 - Ann: porta i campioni",
            [("", None, "Ci vediamo alle 10:15 - Ann: porta i campioni")],
        ),
        ("   \n ", []),
    ],
)
def test_a_paste_is_read_as_the_chat_wrote_it(text, said):
    assert seen(text) == said


def test_the_same_words_in_one_minute_are_two_messages():
    said = read_at_noon("[22/11, 18:05] Ann: ok\n[22/11, 18:05] Ann: ok")
    assert [(one.text, one.number) for one in said] == [("ok", 1), ("ok", 2)]
    assert names(said) == ["Ann"]


def test_a_whole_chat_is_cut():
    assert len(read_at_noon("[22/11, 18:05] Ann: ok\n" * 1000)) == MAX_MESSAGES


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("[]0123456789/.:,- ApmM\n\u200eannè"), max_size=120))
def test_any_paste_is_read(text):
    for one in read_at_noon(text):
        assert one.text.strip() == one.text != ""


# Answers


@pytest.fixture
def number(desk, now):
    """The person's WhatsApp."""
    return handle(
        desk.session, desk.actor, desk.contact_id, channel=ChannelKind.WHATSAPP, address="+39 333 1234567", now=now
    )


def hear(desk, now, *said, channel=ChannelKind.WHATSAPP):
    return services.hear(desk.session, desk.actor, contact_id=desk.contact_id, channel=channel, said=said, now=now)


def count(desk, *conditions):
    return desk.session.scalar(
        select(func.count()).select_from(Message).where(Message.direction == "inbound", *conditions)
    )


def test_a_pasted_answer_is_an_answer(desk, number, told, now):
    heard = hear(desk, now, Said("Ann Bo", now - timedelta(hours=1), "Sì, volentieri"))
    (message,) = heard.messages
    talk = desk.session.get_one(Conversation, message.conversation_id)
    assert (message.contact_id, message.handle_id, talk.account_id) == (desk.contact_id, number.id, None)
    assert (talk.state, talk.unanswered_since) == ("open", now - timedelta(hours=1))
    entry = desk.session.scalars(select(Interaction).where(Interaction.source_id == message.id)).one()
    assert (entry.kind, entry.happened_at) == ("message.received", now - timedelta(hours=1))
    assert [event.message_id for event in told if isinstance(event, ReplyReceived)] == [message.id]


def test_it_joins_the_conversation_of_what_was_sent_by_hand(desk, number, now):
    sent = services.write(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        channel=ChannelKind.WHATSAPP,
        subject="",
        body="Ciao",
        purpose=Purpose.PERSONAL,
        send_at=now,
        now=now,
    )
    services.open_assisted(desk.session, desk.actor, message_id=sent.id, now=now)
    services.settle_assisted(desk.session, desk.actor, message_id=sent.id, answer=services.AssistedAnswer.DONE, now=now)
    (message,) = hear(desk, now, Said("", None, "Ciao a te")).messages
    assert message.conversation_id == sent.conversation_id


def test_the_same_paste_twice_is_one_answer(desk, number, now):
    said = [Said("Ann", now - timedelta(hours=1), "ok", 1), Said("Ann", now - timedelta(hours=1), "ok", 2)]
    assert len(hear(desk, now, *said).messages) == 2
    again = hear(desk, now, *said, Said("", None, "Grazie"))
    assert (len(again.messages), again.known, count(desk)) == (1, 2, 3)
    assert hear(desk, now, Said("", None, "Grazie")).known == 1


def test_a_stop_word_that_was_pasted_is_heard(desk, number, now):
    hear(desk, now, Said("", None, "STOP"))
    with pytest.raises(services.BlockedError):
        services.write(
            desk.session,
            desk.actor,
            contact_id=desk.contact_id,
            channel=ChannelKind.WHATSAPP,
            subject="",
            body="Ciao",
            purpose=Purpose.PERSONAL,
            now=now,
        )


@pytest.mark.parametrize("channel", [ChannelKind.EMAIL, ChannelKind.INSTAGRAM])
def test_words_need_a_way_on_which_they_came(desk, number, now, channel):
    with pytest.raises(InvalidInputError):
        hear(desk, now, Said("", None, "Ciao"), channel=channel)


def test_the_page_asks_whose_words_count_where_several_people_speak(client, desk, number):
    chat = "[22/11, 18:05] Bruno: Ciao\n[22/11, 18:06] Carla: Eccomi"
    path = f"/contacts/{desk.contact_id}/heard"
    assert client.get(path).status_code == 200
    asked = client.post(path, data={"channel": "whatsapp", "text": chat})
    assert (asked.status_code, "Several people speak here" in asked.text, chat.splitlines()[0] in asked.text) == (
        422,
        True,
        True,
    )
    kept = client.post(path, data={"channel": "whatsapp", "text": chat, "who": "Carla"})
    assert (kept.status_code, kept.location.startswith("/inbox/"), count(desk)) == (303, True, 1)


def test_the_page_knows_the_person_by_name_and_leaves_out_our_own_words(client, desk, number):
    chat = "[22/11, 18:05] Giulia: Ci sei?\n[22/11, 18:06] Ann Bo: Eccomi"
    client.post(f"/contacts/{desk.contact_id}/heard", data={"channel": "whatsapp", "text": chat})
    assert count(desk) == 1
    empty = client.post(f"/contacts/{desk.contact_id}/heard", data={"channel": "whatsapp", "text": " "})
    assert empty.status_code == 422


def test_what_a_phone_shares_is_shown_and_not_kept(client, desk, number, now):
    manifest = client.get("/manifest.webmanifest")
    assert (manifest.mimetype, manifest.json["share_target"]["action"]) == ("application/manifest+json", "/share")
    with client.get(manifest.json["icons"][0]["src"]) as icon:
        assert icon.mimetype == "image/svg+xml"
    assert client.get("/share").status_code == 200
    page = client.post("/share", data={"text": "Sì, volentieri <b>", "q": "Ann"})
    assert ("Sì, volentieri &lt;b&gt;" in page.text, f"/contacts/{desk.contact_id}/heard" in page.text) == (True, True)
    chat = (io.BytesIO(b"23/11/2026, 10:15 - Ann: Ciao"), "chat.txt")
    assert "Ann: Ciao" in client.post("/share", data={"files": chat}).text
    long = (io.BytesIO(b"x" * 100_000), "chat.txt")
    assert "whole chat" in client.post("/share", data={"files": long}).text
    assert count(desk) == 0
    kept = client.post(f"/contacts/{desk.contact_id}/heard?channel=whatsapp", data={"text": "Sì"})
    assert (kept.status_code, count(desk)) == (303, 1)


# In public


def posted(desk, now, **fields):
    given_ = {
        "channel": ChannelKind.INSTAGRAM,
        "post_url": POST,
        "text": "Pessimo servizio",
        "author": "@delusa",
        **fields,
    }
    return services.log_public_post(desk.session, desk.actor, post=services.Posted(**given_), now=now)


def entry_of(desk, message):
    found = select(Interaction).where(Interaction.source_id == message.id)
    return desk.session.scalars(found.execution_options(populate_existing=True)).one()


def test_a_comment_of_a_stranger_waits_in_public(desk, now):
    message = posted(desk, now, is_negative=True)
    talk = desk.session.get_one(Conversation, message.conversation_id)
    entry = entry_of(desk, message)
    assert (talk.visibility, talk.post_url, talk.unanswered_since) == (Visibility.PUBLIC, POST, now)
    assert (entry.visibility, entry.post_url, entry.sentiment) == (Visibility.PUBLIC, POST, Sentiment.NEGATIVE)
    assert desk.session.get_one(Handle, message.handle_id).address == "@delusa"
    assert posted(desk, now).id == message.id, "seen twice it is one"


def test_a_comment_of_somebody_known_is_on_their_timeline_and_no_answer_to_us(desk, told, now):
    message = posted(desk, now, contact_id=desk.contact_id, author="@ann.bo")
    assert (entry_of(desk, message).contact_id, message.contact_id) == (desk.contact_id, desk.contact_id)
    assert [event for event in told if isinstance(event, ReplyReceived)] == []
    second = posted(desk, now, contact_id=desk.contact_id, author="", text="Ancora io")
    assert second.handle_id == message.handle_id


def test_answering_there_ends_the_waiting(desk, now):
    message = posted(desk, now, is_negative=True)
    talk = services.answered_there(desk.session, desk.actor, conversation_id=message.conversation_id, now=now)
    assert (talk.unanswered_since, talk.state, entry_of(desk, message).answered_at) == (None, "waiting", now)


def test_only_public_conversations_are_answered_elsewhere(desk, number, now):
    (message,) = hear(desk, now, Said("", None, "Ciao")).messages
    with pytest.raises(InvalidInputError):
        services.answered_there(desk.session, desk.actor, conversation_id=message.conversation_id, now=now)


def test_many_negative_comments_of_one_day_ring(desk, now, session):
    from crm.interactions.timeline_models import NegativeSpike

    for number_ in range(6):
        posted(desk, now, author=f"@tizio{number_}", is_negative=True)
    assert session.scalar(select(func.count()).select_from(NegativeSpike)) == 1


@pytest.mark.parametrize("fields", [{"author": ""}, {"author": "no name"}])
def test_a_comment_needs_its_author(desk, now, fields):
    with pytest.raises(InvalidInputError) as refused:
        posted(desk, now, **fields)
    assert list(refused.value.fields) == ["author"]


@pytest.mark.parametrize(
    ("url", "network"),
    [
        (POST, ChannelKind.INSTAGRAM),
        ("https://m.facebook.com/story.php?id=1", ChannelKind.MESSENGER),
        ("https://x.com/a/status/1", ChannelKind.X),
        ("https://www.linkedin.com/feed/update/urn:li:activity:1", ChannelKind.LINKEDIN),
        ("https://bsky.app/profile/a.bsky.social/post/1", ChannelKind.BLUESKY),
        ("https://mastodon.uno/@ann/1234", ChannelKind.MASTODON),
        ("https://notinstagram.com/p/1", None),
        ("https://[", None),
    ],
)
def test_a_link_says_its_network(url, network):
    assert network_of(url) is network


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://a b", "https://u:p@x.com/1", "https://", "x.com/1", "https://x.com:99999/"]
)
def test_a_link_that_nobody_should_open_is_refused(url):
    assert not is_post_url(url)


def test_the_page_takes_a_comment_in(client, desk):
    assert client.get(f"/public-posts/new?contact={desk.contact_id}").status_code == 200
    form = {"post_url": POST, "text": "Bello!", "author": "@fan"}
    refused = client.post("/public-posts/new", data={**form, "post_url": "https://example.com/1"})
    assert (refused.status_code, "does not say its network" in refused.text, "Bello!" in refused.text) == (
        422,
        True,
        True,
    )
    kept = client.post("/public-posts/new", data=form)
    assert kept.location.startswith("/inbox/")
    assert client.post(f"{kept.location}/answered-there").status_code == 303
