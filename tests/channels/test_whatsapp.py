"""The number's adapter against a server that speaks the Cloud API and refuses as it does."""

import datetime as dt
from dataclasses import replace

import pytest
from channels.fakes.web import HangUp, Said
from channels.fakes.whatsapp import BUSINESS_ID, NUMBER_ID, TOKEN, FakeWhatsApp, refusal, template

from crm.channels.base import OutboundTemplate, OutcomeKind
from crm.channels.sentences import OUTCOME_SENTENCES, outcome_sentence
from crm.channels.setup import ConfigError
from crm.channels.whatsapp import TemplatesError, WhatsAppAdapter
from crm.channels.whatsapp_errors import MEANINGS
from crm.net.guard import Guard

K = OutcomeKind
LOOPBACK = Guard(allow=("127.0.0.1",))
CONFIG = {"phone_number_id": NUMBER_ID, "business_id": BUSINESS_ID}


@pytest.fixture(scope="module")
def server():
    with FakeWhatsApp().running() as fake:
        yield fake


@pytest.fixture
def api(server):
    server.forget()
    return server


@pytest.fixture
def number(api) -> WhatsAppAdapter:
    return WhatsAppAdapter({**CONFIG, "base_url": api.base_url}, LOOPBACK, token=TOKEN)


@pytest.fixture
def letter(outbound):
    return replace(outbound, to_address="+393331234567", reference="our-id", text="Ciao *Ada*")


def test_a_text_leaves_with_our_id_and_theirs_comes_back(number, api, letter):
    outcome = number.send(replace(letter, in_reply_to="wamid.IN1"))
    assert (outcome.kind, outcome.remote_id) == (K.ACCEPTED, "wamid.OUT1")
    assert api.sent == [
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "393331234567",
            "type": "text",
            "text": {"body": "Ciao *Ada*", "preview_url": False},
            "context": {"message_id": "wamid.IN1"},
            "biz_opaque_callback_data": "our-id",
        }
    ]
    assert api.asked[0].path == f"/v26.0/{NUMBER_ID}/messages"


def test_a_template_leaves_with_its_gaps_filled(number, api, letter):
    api.open_for = set()
    chosen = OutboundTemplate(name="appuntamento", language="it", parameters=("Ada", "domani"))
    assert number.send(letter).code == "window_closed"
    assert number.send(replace(letter, template=chosen)).kind is K.ACCEPTED
    assert api.sent[0]["template"] == {
        "name": "appuntamento",
        "language": {"code": "it"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "domani"}]}
        ],
    }
    other = replace(letter, template=OutboundTemplate(name="appuntamento", language="de"))
    assert number.send(other).code == "whatsapp_template"


def test_who_hides_their_number_is_written_to_by_their_id(number, api, letter):
    outcome = number.send(replace(letter, to_address="id:IT.1349", to_platform_id="IT.1349"))
    assert outcome.kind is K.ACCEPTED
    assert (api.sent[0]["recipient"], "to" in api.sent[0]) == ("IT.1349", False)
    assert number.send(replace(letter, to_address="ada", to_platform_id=None)).code == "whatsapp_no_number"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(131047, K.POLICY), (131050, K.POLICY), (131026, K.PERMANENT), (131049, K.RETRY_LATER)],
        *[(code, K.RETRY_LATER) for code in (130472, 131056, 130429, 131048, 80007, 4, 17, 32, 613, 131000, 131016)],
        *[(code, K.RETRY_LATER) for code in (131057, 1, 2)],
        *[(code, K.CONTENT) for code in (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016)],
        *[(code, K.CONTENT) for code in (131008, 131009, 131051, 131062)],
        *[(code, K.AUTH) for code in (131031, 368, 130497, 131030, 190, 10, 200, 299)],
        *[(code, K.UNKNOWN) for code in (100, 300, 999999, 0)],
    ],
)
def test_each_code_means_what_the_table_says(number, api, letter, code, kind):
    api.script.append(refusal(code))
    outcome = number.send(letter)
    assert (outcome.kind, outcome.detail) == (kind, f"400 {code}")
    assert outcome_sentence(outcome.code) in OUTCOME_SENTENCES.values()


def test_every_code_of_the_table_has_a_sentence():
    general = outcome_sentence("banana")
    assert not [meaning.code for meaning in MEANINGS.values() if outcome_sentence(meaning.code) == general]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal(777, is_transient=True), K.RETRY_LATER),
        (Said(502, b"<html>Bad Gateway</html>"), K.UNKNOWN),
        (Said(500, {"error": {"code": "x"}}), K.UNKNOWN),
        (Said(200, {}), K.UNKNOWN),
        (Said(200, {"messages": [{}]}), K.UNKNOWN),
        (Said(200, {"messages": "wamid"}), K.UNKNOWN),
    ],
)
def test_what_is_in_no_table_proves_nothing(number, api, letter, said, kind):
    api.script.append(said)
    assert number.send(letter).kind is kind


@pytest.mark.parametrize("is_done", [False, True])
def test_no_answer_leaves_it_open_whether_it_arrived(number, api, letter, is_done):
    api.script.append(HangUp(is_done=is_done))
    assert number.send(letter).kind is K.UNKNOWN
    assert len(api.sent) == is_done


def test_what_was_withheld_waits_a_day_and_a_flood_as_long_as_it_is_told(number, api, letter):
    api.script.append(refusal(131049))
    assert number.send(letter).not_before == letter.date + dt.timedelta(hours=24)
    slow = refusal(130429, 429)
    api.script.append(Said(429, slow.data, {"retry-after": "9"}))
    assert number.send(letter).not_before == letter.date + dt.timedelta(seconds=9)


def test_the_check_names_the_number_and_an_expired_token_is_told(number, api):
    assert (number.check().ok, number.check().detail) == (True, "+39 02 1234 5678")
    api.token = "other"
    assert (number.check().ok, number.check().code) == (False, "whatsapp_token")


def test_all_pages_of_templates_are_read_and_only_bodies_with_gaps_are_ours_to_fill(number, api):
    api.page = 2
    api.templates = [
        template(),
        template("saldi", "Saldi!", category="MARKETING", status="PAUSED"),
        template("foto", others=[{"type": "HEADER", "format": "IMAGE"}]),
        template("link", others=[{"type": "BUTTONS", "buttons": [{"type": "URL", "url": "https://x/{{1}}"}]}]),
        {"name": "vuoto", "language": "it", "components": []},
    ]
    found = {each.name: each for each in number.templates()}
    assert set(found) == {"appuntamento", "saldi", "foto", "link"}
    assert (found["saldi"].status, found["saldi"].category) == ("paused", "marketing")
    assert [name for name, each in found.items() if each.is_plain] == ["appuntamento", "saldi"]


def test_templates_that_can_not_be_read_say_why(number, api):
    api.script.append(refusal(10, 403))
    with pytest.raises(TemplatesError) as caught:
        number.templates()
    assert caught.value.code == "whatsapp_permission"
    alone = WhatsAppAdapter({"phone_number_id": NUMBER_ID}, LOOPBACK, token=TOKEN)
    with pytest.raises(TemplatesError) as caught:
        alone.templates()
    assert caught.value.code == "whatsapp_no_business"


@pytest.mark.parametrize(
    ("config", "token", "wrong"),
    [
        ({}, TOKEN, ["phone_number_id"]),
        ({"phone_number_id": "12/../x"}, TOKEN, ["phone_number_id"]),
        ({**CONFIG, "graph_version": "v26.0/x"}, TOKEN, ["graph_version"]),
        ({**CONFIG, "base_url": "https://evil.example"}, TOKEN, ["base_url"]),
        (CONFIG, "", ["token"]),
        (CONFIG, "a\r\nb", ["token"]),
    ],
)
def test_settings_that_can_not_be_used_are_named(config, token, wrong):
    with pytest.raises(ConfigError) as caught:
        WhatsAppAdapter(config, LOOPBACK, token=token)
    assert list(caught.value.fields) == wrong
