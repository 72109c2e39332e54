"""The bot's adapter against a server that speaks the Bot API and misbehaves as it does."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest
from channels.fakes.telegram import BOT, TOKEN, FakeTelegram, refusal
from channels.fakes.web import HangUp, Said

from crm.channels.base import OutcomeKind, PollError
from crm.channels.registry import AccountSpec, adapter_for
from crm.channels.sentences import OUTCOME_SENTENCES, outcome_sentence
from crm.channels.setup import ConfigError
from crm.channels.telegram import TelegramAdapter, start_link
from crm.net.guard import Guard

K = OutcomeKind
LOOPBACK = Guard(allow=("127.0.0.1",))


@pytest.fixture(scope="module")
def server():
    with FakeTelegram().running() as fake:
        yield fake


@pytest.fixture
def api(server):
    server.forget()
    return server


@pytest.fixture
def bot(api) -> TelegramAdapter:
    return TelegramAdapter({"base_url": api.base_url}, LOOPBACK, token=TOKEN)


@pytest.fixture
def letter(outbound):
    return replace(outbound, to_address="@ada_r", to_platform_id="4242", text="Ciao *Ada*, 1 < 2 & _ok_ 🎉")


def test_a_text_leaves_as_it_is_and_the_chat_names_it(bot, api, letter):
    outcome = bot.send(letter)
    assert (outcome.kind, outcome.remote_id) == (K.ACCEPTED, "4242:101")
    assert api.sent[0]["text"] == letter.text
    assert api.sent[0]["chat_id"] == 4242
    assert "parse_mode" not in api.sent[0]


def test_who_never_pressed_start_is_not_even_tried(bot, api, letter):
    outcome = bot.send(replace(letter, to_platform_id=None))
    assert (outcome.kind, outcome.code) == (K.POLICY, "needs_start")
    assert not api.asked


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        (refusal(403, "Forbidden: bot was blocked by the user"), K.PERMANENT, "blocked"),
        (refusal(403, "Forbidden: user is deactivated"), K.PERMANENT, "telegram_deactivated"),
        (refusal(403, "Forbidden: bot can't initiate conversation with a user"), K.POLICY, "needs_start"),
        (refusal(400, "Bad Request: chat not found"), K.PERMANENT, "telegram_no_chat"),
        (refusal(400, "BAD REQUEST: private chat not found"), K.PERMANENT, "telegram_no_chat"),
        (refusal(400, "Bad Request: message is too long"), K.CONTENT, "telegram_too_long"),
        (refusal(400, "Bad Request: text is too long"), K.CONTENT, "telegram_too_long"),
        (refusal(400, "Bad Request: message text is empty"), K.CONTENT, "telegram_empty"),
        (refusal(400, "Bad Request: can't parse entities: byte 3"), K.CONTENT, "telegram_entities"),
        (refusal(401, "Unauthorized"), K.AUTH, "telegram_token"),
        (refusal(404, "Not Found"), K.AUTH, "telegram_token"),
        (refusal(500, "Internal Server Error"), K.RETRY_LATER, "api_server_error"),
        # A proxy, not Telegram: nobody knows whether it had passed the message on.
        (Said(502, b"<html>Bad Gateway</html>"), K.UNKNOWN, "api_unknown"),
        (refusal(400, "Bad Request: something new"), K.UNKNOWN, "api_unknown"),
        (refusal(403, "Forbidden: something new"), K.UNKNOWN, "api_unknown"),
        (refusal(409, "Conflict: something"), K.UNKNOWN, "api_unknown"),
        (Said(200, {"ok": True, "result": {}}), K.UNKNOWN, "api_unreadable"),
        (Said(200, b"not json"), K.UNKNOWN, "api_unknown"),
        (Said(200, {"ok": True, "result": [[[[]]]]}), K.UNKNOWN, "api_unreadable"),
        (Said(302, {}, {"location": "http://127.0.0.1/x"}), K.UNKNOWN, "api_unknown"),
    ],
)
def test_each_refusal_means_what_the_table_says(bot, api, letter, said, kind, code):
    api.script.append(said)
    outcome = bot.send(letter)
    assert (outcome.kind, outcome.code) == (kind, code)
    assert outcome_sentence(code) in OUTCOME_SENTENCES.values()
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "said",
    [
        refusal(429, "Too Many Requests: retry after 7", retry_after=7),
        Said(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 7}}),
        Said(429, b"", {"retry-after": "7"}),
    ],
)
def test_a_flood_waits_as_long_as_it_is_told_in_either_form(bot, api, letter, said):
    api.script.append(said)
    outcome = bot.send(letter)
    assert (outcome.kind, outcome.not_before) == (K.RETRY_LATER, letter.date + dt.timedelta(seconds=7))


@pytest.mark.parametrize("is_done", [False, True])
def test_no_answer_leaves_it_open_whether_it_arrived(bot, api, letter, is_done):
    api.script.append(HangUp(is_done=is_done))
    assert bot.send(letter).kind is K.UNKNOWN
    assert len(api.sent) == is_done


def test_an_api_that_nobody_reaches_took_nothing(letter):
    bot = TelegramAdapter({}, Guard(resolver=lambda _host, _port: []), token=TOKEN)
    assert (bot.send(letter).kind, bot.send(letter).code) == (K.RETRY_LATER, "api_dns")


def test_the_length_is_counted_as_telegram_counts_it(bot, api, letter):
    assert bot.send(replace(letter, text="🎉" * 2048)).kind is K.ACCEPTED
    assert bot.send(replace(letter, text="🎉" * 2048 + "!")).kind is K.CONTENT
    assert len(api.asked) == 1


def test_the_check_names_the_bot_and_a_wrong_token_is_told(bot, api):
    assert (bot.check().ok, bot.check().detail) == (True, BOT)
    api.token = "1:other"
    assert (bot.check().ok, bot.check().code) == (False, "telegram_token")


def test_updates_are_forgotten_there_only_when_asked_with_the_next_number(bot, api):
    first, second = api.write(text="uno"), api.write(text="due")
    polled = bot.poll("")
    assert [piece.event_id for piece in polled.pieces] == [f"u{first['update_id']}", f"u{second['update_id']}"]
    # Nothing was committed: the same again.
    assert bot.poll("").pieces == polled.pieces
    again = bot.poll(polled.cursor)
    assert (again.pieces, again.cursor, api.updates) == ([], polled.cursor, [])


@pytest.mark.parametrize("cursor", ["", "x", "-1"])
def test_a_cursor_that_is_none_begins_at_the_oldest(bot, api, cursor):
    api.write()
    assert len(bot.poll(cursor).pieces) == 1
    assert "offset" not in api.asked[0].data


def test_a_second_poller_a_wrong_token_and_silence_are_told_apart(bot, api):
    for setup, code, kind in (
        (lambda: setattr(api, "has_second_poller", True), "telegram_conflict", K.RETRY_LATER),
        (lambda: api.script.append(HangUp(is_done=False)), "api_protocol", K.RETRY_LATER),
        (lambda: setattr(api, "token", "1:other"), "telegram_token", K.AUTH),
    ):
        setup()
        with pytest.raises(PollError) as caught:
            bot.poll("")
        assert (caught.value.code, caught.value.kind) == (code, kind)


def test_a_webhook_is_set_with_its_secret_and_removed_again(bot, api):
    assert bot.set_webhook("https://crm.example/hooks/telegram/1", secret="s3cret").ok
    assert (api.webhook["url"], api.webhook["secret_token"]) == ("https://crm.example/hooks/telegram/1", "s3cret")
    assert bot.delete_webhook().ok
    assert api.webhook is None
    refused = bot.set_webhook("http://crm.example/", secret="s3cret")
    assert (refused.ok, refused.code) == (False, "telegram_webhook")


def test_the_token_shows_in_no_outcome_and_no_error(api, letter):
    bot = TelegramAdapter({"base_url": api.base_url}, LOOPBACK, token=TOKEN)
    api.script.extend([HangUp(is_done=False), HangUp(is_done=False), refusal(401, f"Unauthorized {TOKEN}")])
    told = [repr(bot.send(letter))]
    with pytest.raises(PollError) as caught:
        bot.poll("")
    told += [repr(caught.value), repr(caught.value.__cause__), repr(bot.check())]
    assert not any(TOKEN in each for each in told)


@pytest.mark.parametrize("token", ["", "abc", f"{TOKEN}/../x", f"{TOKEN}?x=1", f"{TOKEN}\n"])
def test_what_is_no_token_leads_nowhere(token):
    with pytest.raises(ConfigError):
        TelegramAdapter({}, LOOPBACK, token=token)


@pytest.mark.parametrize("url", ["https://evil.example", "not a url", "http://10.0.0.1/"])
def test_only_the_operator_may_send_a_token_elsewhere(url):
    with pytest.raises(ConfigError):
        TelegramAdapter({"base_url": url}, LOOPBACK, token=TOKEN)


def test_a_sandbox_account_reaches_no_real_platform():
    spec = AccountSpec(channel="telegram", public_id=UUID(int=1), secret={"token": TOKEN}, sandbox_port=2525)
    with pytest.raises(ConfigError):
        adapter_for(spec, LOOPBACK)


def test_who_pressed_start_is_known_by_number_and_nobody_else_at_all(bot):
    assert bot.resolve("id:4242").platform_id == "4242"
    assert (bot.resolve("@ada_r").reachable, bot.resolve("@ada_r").code) == (False, "needs_start")
    assert not bot.resolve("??").reachable


def test_a_start_link_opens_the_bot_with_our_token():
    assert start_link("@lanterna_bot", "k3J9x") == "https://t.me/lanterna_bot?start=k3J9x"
