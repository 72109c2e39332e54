"""Telegram and WhatsApp from end to end: the sender, a server that plays the network, and what it tells us back."""

import json
from datetime import timedelta

import pytest
from channels.fakes import telegram, whatsapp
from channels.fakes.web import HangUp
from channels.fakes.whatsapp import author, delivery, status
from factories import outreach
from factories.contacts import contact
from sqlalchemy import func, select

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.channels.base import ChannelKind
from crm.channels.registry import DOORS, adapter_for
from crm.consent.models import ConsentState
from crm.contacts.models import Handle
from crm.contacts.services import add_handle
from crm.db import database_now, new_id
from crm.errors import InvalidInputError
from crm.interactions.models import InteractionBody
from crm.net.guard import Guard
from crm.outreach import queries, runner, services
from crm.outreach.adapters import load_spec
from crm.outreach.models import Conversation, FrozenContent, Message
from crm.outreach.network_models import NetworkTemplate
from crm.outreach.services.receive import handle_inbound, store_inbound
from crm.outreach.services.start_links import start_link

LOOPBACK = Guard(allow=("127.0.0.1",))
K = ChannelKind


class House:
    """A committed workspace with one account of a network, and one person."""

    def __init__(self, database, channel: ChannelKind, *, address: str, config: dict, secret: dict) -> None:
        self.database, self.channel = database, channel
        self.workspace_id = new_id()
        self.actor = system_actor(self.workspace_id)
        with self.open() as session:
            always = outreach.ALWAYS_OPEN
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}", **always))
            session.flush()
            now = database_now(session)
            made = outreach.api_account(
                session, self.actor, channel, address=address, config=config, secret=secret, now=now
            )
            self.account_id = made.id
            self.contact_id = contact(session, self.actor, "Ada Rossi", email="ada@example.com", now=now).id

    def open(self):
        return self.database.scope(self.workspace_id)

    def call(self, work):
        """Do something in a transaction of its own."""
        with self.open() as session:
            return work(session, database_now(session))

    def take(self, pieces) -> None:
        """What came in, stored and handled as the door and the poller do."""
        for piece in pieces:
            event_id = self.call(
                lambda session, now, piece=piece: store_inbound(
                    session,
                    self.actor,
                    account_id=self.account_id,
                    raw=piece.raw,
                    external_id=piece.event_id,
                    now=now,
                )
            )
            if event_id is not None:
                self.call(
                    lambda session, now, event_id=event_id: handle_inbound(
                        session, self.actor, event_id=event_id, now=now
                    )
                )

    def deliver(self, body: bytes) -> None:
        """A delivery of the platform at our door."""
        self.take(DOORS[self.channel].split(body, {}, config=self.call(self._config)))

    def _config(self, session, _now):
        return load_spec(session, self.account_id).adapter.config

    def adapter(self):
        return adapter_for(self.call(lambda session, _now: load_spec(session, self.account_id)).adapter, LOOPBACK)

    def write(self, text: str = "Ciao Ada", **more):
        return self.call(
            lambda session, now: (
                outreach.message(
                    session, self.actor, self.contact_id, channel=self.channel, body=text, send_at=now, now=now, **more
                ).id
            )
        )

    def run(self) -> None:
        runner.run(
            self.database,
            workspace_id=self.workspace_id,
            account_id=self.account_id,
            lease=timedelta(seconds=60),
            seconds=20,
            connections=2,
        )

    def message(self, message_id) -> Message:
        return self.call(lambda session, _now: session.get_one(Message, message_id))

    def all(self, wanted):
        return self.call(lambda session, _now: list(session.scalars(wanted)))


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(runner.handover, "MEMORY", tmp_path)
    monkeypatch.setattr(runner, "connect", lambda spec: adapter_for(spec.adapter, LOOPBACK))
    runner.handover.attend()
    yield
    runner.close_lines()


@pytest.fixture
def bot():
    with telegram.FakeTelegram().running() as fake:
        yield fake


@pytest.fixture
def house(fresh_database, bot, quiet) -> House:
    return House(
        fresh_database.database,
        K.TELEGRAM,
        address=telegram.BOT,
        config={"base_url": bot.base_url},
        secret={"token": telegram.TOKEN},
    )


def start(house: House, bot) -> None:
    """The person opens our start link and presses Start."""
    token = house.call(
        lambda session, now: start_link(
            session, house.actor, contact_id=house.contact_id, account_id=house.account_id, now=now
        )
    )
    house.deliver(json.dumps(bot.write(text=f"/start {token}")).encode())


def add_telegram_name(house: House) -> None:
    house.call(
        lambda session, now: add_handle(
            session, house.actor, channel=K.TELEGRAM, address="@ada_r", contact_id=house.contact_id, now=now
        )
    )


def test_nobody_is_written_to_before_they_pressed_start(house, bot):
    add_telegram_name(house)
    with pytest.raises(services.BlockedError) as caught:
        house.write()
    assert (caught.value.code, caught.value.verdict.way) == ("needs_start", "send_start_link")
    assert not bot.sent


def test_after_start_a_message_leaves_and_answers_by_door_and_by_asking_join_it(house, bot):
    start(house, bot)
    message_id = house.write()
    house.run()
    sent = house.message(message_id)
    assert (sent.state, bot.sent[0]["chat_id"], bot.sent[0]["text"]) == ("sent", 4242, "Ciao Ada")
    assert sent.remote_id.startswith("4242:")
    house.deliver(json.dumps(bot.write(text="Ciao!")).encode())
    bot.write(text="Ci sei?")
    adapter = house.adapter()
    polled = adapter.poll("")
    # What the door told already is known by its number.
    house.take(polled.pieces)
    house.take(adapter.poll(polled.cursor).pieces)
    (talk,) = house.all(select(Conversation))
    received = house.all(select(Message).where(Message.direction == "inbound").order_by(Message.created_at))
    assert {row.conversation_id for row in [*received, sent]} == {talk.id}
    assert {row.contact_id for row in received} == {house.contact_id}
    words = house.all(select(InteractionBody.body))
    assert {"Ciao Ada", "Ciao!", "Ci sei?"} <= set(words)
    assert len(words) == len(set(words))


def test_a_stop_ends_what_is_not_an_answer_on_this_channel(house, bot):
    start(house, bot)
    house.deliver(json.dumps(bot.write(text="STOP")).encode())
    withdrawn = house.all(select(ConsentState.channel).where(ConsentState.action == "withdrawn"))
    assert "telegram" in withdrawn
    with pytest.raises(services.BlockedError):
        house.write()


def test_who_blocks_the_bot_is_not_written_to_until_they_return(house, bot):
    start(house, bot)
    first = house.write()
    bot.member("kicked")
    house.run()
    assert (house.message(first).state, house.message(first).reason) == ("failed", "permanent")
    assert house.all(select(Handle.state).where(Handle.channel == "telegram")) == ["blocked"]
    with pytest.raises(services.BlockedError) as caught:
        house.write()
    assert caught.value.code == "handle_blocked"
    house.deliver(json.dumps(bot.member("member")).encode())
    second = house.write()
    house.run()
    assert house.message(second).state == "sent"


def test_what_may_have_arrived_is_never_sent_twice(house, bot):
    start(house, bot)
    bot.script.append(HangUp(is_done=True))
    message_id = house.write()
    house.run()
    house.run()
    assert (house.message(message_id).state, len(bot.sent)) == ("uncertain", 1)


def test_a_refused_token_holds_the_account_and_burns_nothing(house, bot):
    start(house, bot)
    message_id = house.write()
    bot.token = "1:other"
    house.run()
    assert (house.message(message_id).state, house.message(message_id).reason) == ("scheduled", "auth")


def test_a_text_is_too_long_as_telegram_counts_it(house, bot):
    start(house, bot)
    with pytest.raises(InvalidInputError) as caught:
        house.write("🎉" * 2049)
    assert (caught.value.code, "2 characters" in caught.value.fields["body"]) == ("text_too_long", True)


# WhatsApp


@pytest.fixture
def network():
    with whatsapp.FakeWhatsApp().running() as fake:
        fake.open_for = set()
        yield fake


@pytest.fixture
def shop(fresh_database, network, quiet) -> House:
    made = House(
        fresh_database.database,
        K.WHATSAPP,
        address="+390212345678",
        config={
            "phone_number_id": whatsapp.NUMBER_ID,
            "business_id": whatsapp.BUSINESS_ID,
            "base_url": network.base_url,
        },
        secret={"token": whatsapp.TOKEN, "app_secret": whatsapp.APP_SECRET, "verify_token": whatsapp.VERIFY_TOKEN},
    )
    made.call(
        lambda session, now: add_handle(
            session, made.actor, channel=K.WHATSAPP, address="+393331234567", contact_id=made.contact_id, now=now
        )
    )
    return made


def says(shop: House, network, text: str = "Ciao", wamid: str = "wamid.IN1", *, hours_ago: int = 0) -> None:
    """The person writes to us, which opens the window at both ends."""
    at = shop.call(lambda _session, now: now) - timedelta(hours=hours_ago)
    if hours_ago < 24:
        network.open_for.add("393331234567")
    wrote = whatsapp.message(wamid, text, timestamp=str(int(at.timestamp())))
    shop.deliver(delivery({"contacts": [author()], "messages": [wrote]}))


def test_free_text_goes_within_a_day_of_their_last_message_only(shop, network):
    with pytest.raises(services.BlockedError) as caught:
        shop.write()
    assert (caught.value.code, caught.value.verdict.way) == ("window_closed", "choose_template")
    says(shop, network, hours_ago=25)
    with pytest.raises(services.BlockedError):
        shop.write()
    says(shop, network, "Ancora qui", "wamid.IN2", hours_ago=1)
    message_id = shop.write()
    shop.run()
    sent = shop.message(message_id)
    assert (sent.state, sent.remote_id) == ("sent", "wamid.OUT1")
    assert network.sent[0]["biz_opaque_callback_data"] == str(message_id)


def test_a_window_that_closes_while_a_message_waits_keeps_it(shop, network):
    says(shop, network)
    message_id = shop.write()
    long_ago = shop.call(lambda _session, now: now) - timedelta(hours=25)
    shop.call(lambda session, _now: session.query(Conversation).update({"last_inbound_at": long_ago}))
    shop.run()
    assert (shop.message(message_id).state, shop.message(message_id).reason) == ("skipped", "window_closed")
    assert not network.sent


def test_an_answer_names_what_it_answers(shop, network):
    says(shop, network, "Siete aperti?")
    (talk,) = shop.all(select(Conversation.id))
    shop.call(
        lambda session, now: services.reply(
            session, shop.actor, conversation_id=talk, body="Sì, fino alle 19", send_at=now, now=now
        )
    )
    shop.run()
    assert network.sent[0]["context"] == {"message_id": "wamid.IN1"}


def test_statuses_move_the_delivery_forward_in_whatever_order_they_come(shop, network):
    says(shop, network)
    message_id = shop.write()
    shop.run()
    news = [status("wamid.OUT1", word, reference=str(message_id)) for word in ("read", "sent", "delivered", "read")]
    for each in news:
        shop.deliver(delivery({"statuses": [each]}))
    assert shop.message(message_id).delivery == "read"


def test_a_late_refusal_shows_on_the_message(shop, network):
    says(shop, network)
    message_id = shop.write()
    shop.run()
    shop.deliver(delivery({"statuses": [status("wamid.OUT1", "failed", code=131047)]}))
    late = shop.message(message_id)
    assert (late.state, late.delivery, late.reason) == ("sent", "failed", "policy")


def test_news_of_a_message_in_doubt_settles_it(shop, network):
    says(shop, network)
    network.script.append(HangUp(is_done=True))
    message_id = shop.write()
    shop.run()
    assert shop.message(message_id).state == "uncertain"
    shop.deliver(delivery({"statuses": [status("wamid.OUT1", "sent", reference=str(message_id))]}))
    shop.run()
    assert (shop.message(message_id).state, len(network.sent)) == ("sent", 1)


def test_another_number_of_the_same_business_is_not_ours(shop, network):
    wrote = {"contacts": [author()], "messages": [whatsapp.message()]}
    shop.deliver(delivery(wrote, number_id="999999"))
    assert shop.call(lambda session, _now: session.scalar(select(func.count()).select_from(Message))) == 0


def approved(shop: House, name: str = "appuntamento"):
    """The template as it is kept after asking for all of them."""
    found = shop.adapter().templates()
    shop.call(
        lambda session, now: services.keep_templates(
            session, shop.actor, account_id=shop.account_id, found=found, now=now
        )
    )
    (row,) = [row for row in shop.all(select(NetworkTemplate)) if row.name == name]
    return row


def test_outside_the_window_a_template_goes_to_the_letter(shop, network):
    chosen = services.ChosenTemplate(approved(shop).id, (" Ada ", "domani alle 9"))
    message_id = shop.write("this counts for nothing", chosen=chosen)
    shop.run()
    assert shop.message(message_id).state == "sent"
    sent = network.sent[0]
    assert sent["template"]["name"] == "appuntamento"
    assert [each["text"] for each in sent["template"]["components"][0]["parameters"]] == ["Ada", "domani alle 9"]
    words = shop.all(select(FrozenContent.text))
    assert words == ["Buongiorno Ada, ci vediamo domani alle 9?"]


def test_empty_gaps_and_lines_in_them_are_told_beside_their_fields(shop):
    row = approved(shop)
    with pytest.raises(InvalidInputError) as caught:
        shop.write("", chosen=services.ChosenTemplate(row.id, ("", "a\nb")))
    assert set(caught.value.fields) == {"gap_1", "gap_2"}


def test_only_what_the_network_approved_and_we_can_fill_is_sent(shop, network):
    network.templates = [
        whatsapp.template("ferma", status="PAUSED"),
        whatsapp.template("foto", others=[{"type": "HEADER", "format": "IMAGE"}]),
        whatsapp.template("nomi", "Ciao {{nome}}"),
        whatsapp.template("ok", "Ciao"),
    ]
    good = approved(shop, "ok")
    assert [
        row.name for row in shop.call(lambda s, _now: queries.sendable_templates(s, account_id=shop.account_id))
    ] == ["ok"]
    for row in shop.all(select(NetworkTemplate).where(NetworkTemplate.id != good.id)):
        with pytest.raises(InvalidInputError):
            shop.write("", chosen=services.ChosenTemplate(row.id))
    shop.write("", chosen=services.ChosenTemplate(good.id))


def test_asking_again_replaces_what_was_known(shop, network):
    approved(shop)
    network.templates = [whatsapp.template("nuovo", "Ciao")]
    approved(shop, "nuovo")
    assert [row.name for row in shop.all(select(NetworkTemplate))] == ["nuovo"]
