"""Every channel's adapter keeps the same contract."""

from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from crm.channels.assisted import MAX_LINK, RULES, prepare
from crm.channels.base import Adapter, ChannelKind, Limits
from crm.channels.email import ConfigError, smtp_config
from crm.channels.registry import ADAPTERS, AccountSpec, adapter_for
from crm.channels.sentences import OUTCOME_SENTENCES, RULE_SENTENCES, outcome_sentence
from crm.channels.smtp import Security
from crm.net.guard import Guard

K = ChannelKind
GOOD = {
    K.EMAIL: "anna@cliente.example",
    K.PHONE: "+393331234567",
    K.SMS: "+393331234567",
    K.WHATSAPP: "+393331234567",
    K.INSTAGRAM: "caffe.rossi",
    K.MESSENGER: "annarossi9",
    K.LINKEDIN: "in/anna-rossi",
    K.X: "anna_1",
    K.TELEGRAM: "anna_r",
    K.MASTODON: "anna@mastodon.uno",
    K.BLUESKY: "anna.bsky.social",
    K.WEBHOOK: "customer-17",
}
CONFIGS = {
    K.EMAIL: {"host": "mail.example"},
    K.WHATSAPP: {"phone_number_id": "106540352242922"},
    K.WEBHOOK: {"url": "https://hooks.example/in"},
}
SECRETS = {
    K.TELEGRAM: {"token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"},
    K.WHATSAPP: {"token": "EAAG" * 10},
    K.WEBHOOK: {"send_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}
#: A machine speaks to the network there; elsewhere a person does.
BY_MACHINE = {K.EMAIL, K.TELEGRAM, K.WHATSAPP, K.WEBHOOK}


def adapter_of(channel):
    guard = Guard(resolver=lambda _host, _port: [])
    spec = AccountSpec(
        channel=channel, public_id=UUID(int=1), config=CONFIGS.get(channel, {}), secret=SECRETS.get(channel, {})
    )
    return adapter_for(spec, guard)


@pytest.mark.parametrize("channel", ADAPTERS)
def test_an_adapter_keeps_the_contract(channel, outbound):
    adapter = adapter_of(channel)
    assert isinstance(adapter, Adapter)
    assert adapter.kind is channel
    assert isinstance(adapter.limits, Limits)
    # Nobody knows a person on Telegram before they pressed Start.
    assert adapter.resolve(GOOD[channel]).reachable is (channel is not K.TELEGRAM)
    assert not adapter.resolve("\x00").reachable
    outcome = adapter.send(outbound)
    assert outcome.surely_not_sent
    assert outcome_sentence(outcome.code) in OUTCOME_SENTENCES.values()
    assert adapter.find_sent(outbound.reference) is None
    check = adapter.check()
    assert check.ok is (channel not in BY_MACHINE)
    adapter.close()
    adapter.close()


def test_every_channel_has_an_adapter():
    assert set(ADAPTERS) == set(ChannelKind)


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        (K.WHATSAPP, "https://wa.me/393331234567?text=Ciao%20Anna%20%26%20co%0Aperch%C3%A9%3F"),
        (K.TELEGRAM, "https://t.me/anna_r?text=Ciao%20Anna%20%26%20co%0Aperch%C3%A9%3F"),
        (K.SMS, "sms:+393331234567?body=Ciao%20Anna%20%26%20co%0Aperch%C3%A9%3F"),
        (K.PHONE, "tel:+393331234567"),
        (K.INSTAGRAM, "https://ig.me/m/caffe.rossi"),
        (K.MESSENGER, "https://m.me/annarossi9"),
        (K.LINKEDIN, "https://www.linkedin.com/in/anna-rossi/"),
        (K.X, "https://x.com/anna_1"),
        (K.MASTODON, "https://mastodon.uno/@anna"),
        (K.BLUESKY, "https://bsky.app/profile/anna.bsky.social"),
    ],
)
def test_the_right_window_opens(channel, url):
    step = prepare(channel, address_norm=GOOD[channel], text="Ciao Anna & co\nperché?")
    assert step.url == url
    assert step.is_prefilled is ("?" in url)
    assert step.copy_text == "Ciao Anna & co\nperché?"
    assert step.rules
    assert all(code in RULE_SENTENCES for code in step.rules)


def test_x_opens_the_message_where_the_number_is_known():
    step = prepare(K.X, address_norm="anna_1", text="Ciao", platform_id="12345")
    assert parse_qs(urlsplit(step.url).query) == {"recipient_id": ["12345"], "text": ["Ciao"]}


def test_a_long_text_is_copied_only():
    step = prepare(K.WHATSAPP, address_norm="+393331234567", text="è" * MAX_LINK)
    assert step.url == "https://wa.me/393331234567"
    assert not step.is_prefilled


def test_every_assisted_channel_says_its_rules():
    assert set(RULES) == set(ADAPTERS) - {K.EMAIL, K.WEBHOOK}


def test_an_account_with_settings_that_can_not_be_used_names_them():
    with pytest.raises(ConfigError) as caught:
        smtp_config({"host": "mail example", "port": 0, "x": 1}, secret="", client_name="h")
    assert sorted(caught.value.fields) == ["host", "port", "x"]
    config = smtp_config({"host": "[::1]", "port": 465, "security": "tls"}, secret="s", client_name="h")
    assert (config.host, config.security, config.secret) == ("::1", Security.TLS, "s")


@pytest.mark.parametrize(
    ("code", "start"),
    [
        ("accepted", "accepted"),
        ("auth_535", "auth_"),
        ("auth_needs_tls", "auth_needs_tls"),
        ("rcpt_550", "rcpt_"),
        ("final_timeout", "final_timeout"),
        ("final_554", "final_"),
        ("connect_dns", "connect_dns"),
        ("connect_connect_timeout", "connect_"),
    ],
)
def test_a_code_has_the_closest_sentence(code, start):
    assert outcome_sentence(code) == OUTCOME_SENTENCES[start]


def test_an_unknown_code_has_a_sentence_too():
    assert outcome_sentence("banana")
