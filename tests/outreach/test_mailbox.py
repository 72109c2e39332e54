"""A mailbox that keeps the history by itself, against a real server: nothing lost, nothing twice, nothing private."""

from datetime import timedelta

import pytest
from factories import outreach
from letterbox import DAY, MARKED, OWN, Letterbox, letter
from sqlalchemy import func, select, update

from crm.channels.base import ChannelKind, Outcome, OutcomeKind
from crm.consent.models import ConsentState
from crm.contacts.models import Contact
from crm.db import database_now, new_id
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.interactions import services as interactions
from crm.interactions.keeping_models import Warmth
from crm.interactions.kinds import Direction, InteractionKind
from crm.interactions.services import copies
from crm.interactions.timeline_models import UnknownCorrespondent
from crm.jobs import JobName
from crm.outreach import mailbox, services
from crm.outreach.inbound_models import InboundRaw
from crm.outreach.kinds import MailboxReach
from crm.outreach.models import Message, SenderAccount
from crm.outreach.services import mailbox_forgetting, mailboxes, written
from crm.outreach.services.claim import claim
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.wave import wave
from workers import clock


@pytest.fixture
def box(fresh_database, mail_server, monkeypatch) -> Letterbox:
    from sqlalchemy import NullPool, create_engine

    from crm.settings import current

    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr("crm.outreach.adapters.current", lambda: allowing)
    owner = create_engine(fresh_database.owner_url, poolclass=NullPool)
    user = f"u{new_id().hex}"
    mail_server.make_folder(user, MARKED)
    return Letterbox(fresh_database.database, owner, mail_server, user)


def test_a_new_mail_opens_a_conversation_and_one_written_elsewhere_answers_it(box):
    box.switch_on()
    box.read()
    box.put((None, letter(1, at=box.now)))
    assert len(box.read().stored) == 1
    (talk,) = box.conversations()
    assert talk.state == "open"
    assert talk.unanswered_since is not None

    box.put((None, letter(2, at=box.now + DAY / 24, sender=OWN, to="ann@example.com")), folder=MARKED)
    assert box.read().added == 1
    (talk,) = box.conversations()
    assert (talk.state, talk.unanswered_since) == ("waiting", None)
    received, sent = box.entries(box.contact_id)
    assert [received.kind, sent.kind] == ["message.received", "message.sent"]
    assert (sent.author_id, sent.source_kind, sent.source_id) == (box.giulia, "mailbox", box.mailbox_id)
    assert box.read().looked == 0, "nothing is read twice"
    assert box.server.unseen(box.user, "INBOX") == 1, "nothing is marked as read"


def test_a_question_that_was_answered_elsewhere_before_we_read_it_waits_for_nobody(box):
    box.switch_on()
    box.read()
    box.put((None, letter(1, at=box.now - timedelta(minutes=9))))
    answer = letter(2, at=box.now - timedelta(minutes=5), sender=OWN, to="ann@example.com")
    box.put((None, answer), folder=MARKED)
    box.read()
    (talk,) = box.conversations()
    assert (talk.state, talk.unanswered_since) == ("waiting", None)


def test_old_mail_lies_where_it_happened_and_nobody_waits_for_an_answer(box):
    ann = "ann@example.com"
    old = box.now - 300 * DAY
    box.put(*((old + number * DAY, letter(number, at=old + number * DAY)) for number in range(3)))
    box.put((old + 5 * DAY, letter("s", at=old + 5 * DAY, sender=OWN, to=ann)), folder=MARKED)
    too_old = box.now - 900 * DAY
    box.put((too_old, letter("ancient", at=too_old)))
    box.switch_on()
    assert box.read().added == 4
    found = box.entries(box.contact_id)
    assert [entry.happened_at for entry in found] == [old + number * DAY for number in (0, 1, 2, 5)]
    assert [entry.direction for entry in found] == ["inbound"] * 3 + ["outbound"]
    assert (box.conversations(), box.events()) == ([], [])
    folder = box.folder()
    assert (folder.back_uid, folder.back_done, folder.kept) == (0, 3, 3)


def test_old_mail_warms_as_the_same_exchange_logged_by_hand(box):
    by_hand = box.person("Bea", "bea@example.com")
    moments = [box.now - days * DAY for days in (400, 90, 31, 30, 7)]
    for number, at in enumerate(moments):
        box.put((at, letter(f"i{number}", at=at)))
        box.put((at + DAY, letter(f"o{number}", at=at + DAY, sender=OWN, to="ann@example.com")), folder=MARKED)
    box.switch_on()
    box.read()
    with box.scope() as session:
        for at in moments:
            for when, kind in ((at, InteractionKind.MESSAGE_RECEIVED), (at + DAY, InteractionKind.MESSAGE_SENT)):
                interactions.log(
                    session,
                    box.colleague,
                    kind=kind,
                    contact_id=by_hand,
                    channel=ChannelKind.EMAIL,
                    happened_at=when,
                    now=database_now(session),
                )
    with box.scope() as session:
        scores = [
            session.scalar(select(Warmth.score).where(Warmth.contact_id == one, Warmth.user_id.is_(None)))
            for one in (box.contact_id, by_hand)
        ]
        dates = {
            one: session.execute(
                select(Contact.last_inbound_at, Contact.last_outbound_at).where(Contact.id == one)
            ).one()
            for one in (box.contact_id, by_hand)
        }
    assert scores[0] == pytest.approx(scores[1], abs=0.01)
    assert 0 < scores[0] < 80
    assert dates[box.contact_id] == dates[by_hand]


def test_other_numbers_of_the_server_lose_nothing_and_double_nothing(box):
    old = box.now - 100 * DAY
    box.put(*((old + number * DAY, letter(number, at=old + number * DAY)) for number in range(5)))
    box.put((old, letter("stranger", at=old, sender="who@nobody.example")))
    box.switch_on()
    box.read()
    box.put((None, letter("new", at=box.now)))
    box.read()
    before = box.folder()
    box.put((None, letter("meanwhile", at=box.now)))
    box.server.renumber(box.user)
    report = box.read()
    after = box.folder()
    assert after.uidvalidity != before.uidvalidity
    assert (len(report.stored), report.added) == (1, 0)
    assert (after.again, after.back_uid, after.kept, after.strangers) == (False, 0, 7, 1)
    found = sorted(entry.external_id or "" for entry in box.entries())
    assert found == sorted(f"<{number}@mail.example>" for number in (*range(5), "new", "meanwhile"))
    assert (box.read().looked, len(box.events())) == (0, 2)
    with box.scope() as session:
        assert session.scalars(select(UnknownCorrespondent.mails)).all() == [1]


def test_a_folder_that_was_made_anew_doubles_nothing(box):
    mails = [(box.now - DAY, letter(number, at=box.now - DAY, sender=OWN, to="ann@example.com")) for number in range(3)]
    box.put(*mails, folder=MARKED)
    box.switch_on()
    box.read()
    with box.server.signed_in(box.user) as program:
        program.delete(MARKED)
    box.read()
    box.server.make_folder(box.user, MARKED)
    box.put(*mails, (None, letter(9, at=box.now, sender=OWN, to="ann@example.com")), folder=MARKED)
    assert box.read().added == 1
    assert len(box.entries()) == 4


def test_a_server_that_was_moved_does_not_make_old_mail_new(box):
    box.switch_on()
    box.read()
    box.put((None, letter(1, at=box.now)))
    box.read()
    old = box.now - 200 * DAY
    # The new server says of every mail that it arrived today.
    box.put((None, letter("old", at=old)))
    box.server.renumber(box.user)
    box.read()
    assert [entry.happened_at for entry in box.entries()] == [old, box.now]
    assert (len(box.conversations()), len(box.events())) == (1, 1)


def test_mail_of_strangers_stays_out_of_a_personal_mailbox_and_is_counted(box):
    old = box.now - 10 * DAY
    doctor = "Dott. Rossi <rossi@medico.example>"
    box.put((old, letter("old", at=old, sender=doctor)))
    box.switch_on()
    box.read()
    box.put((None, letter("new", at=box.now, sender=doctor)))
    report = box.read()
    assert (report.stored, report.added, box.events(), box.entries()) == ([], 0, [], [])
    with box.scope() as session:
        assert session.scalar(select(func.count()).select_from(InboundRaw)) == 0
        (stranger,) = session.scalars(select(UnknownCorrespondent)).all()
    assert (stranger.address_norm, stranger.name, stranger.mails) == ("rossi@medico.example", "Dott. Rossi", 2)
    assert stranger.user_id == box.giulia
    assert box.folder().strangers == 2


def test_strangers_are_heard_in_a_shared_mailbox(box):
    box.switch_on(strangers=True)
    box.read()
    box.put((None, letter(1, at=box.now, sender="new@customer.example")))
    assert len(box.read().stored) == 1
    (talk,) = box.conversations()
    assert (talk.contact_id, talk.state) == (None, "open")
    answer = letter(2, at=box.now + DAY / 24, sender=OWN, to="new@customer.example")
    box.put((None, answer), folder=MARKED)
    box.read()
    assert [one.state for one in box.conversations()] == ["waiting"]


@pytest.mark.parametrize(
    "headers",
    [
        {"List_Id": "<news.shop.example>"},
        {"List_Unsubscribe": "<https://shop.example/u>"},
        {"Precedence": "bulk"},
        {"sender": OWN},
        {"sender": "collega@lanterna.example"},
        {"Content_Type": "multipart/report; report-type=delivery-status; boundary=x"},
        {"sender": "MAILER-DAEMON@mail.example"},
    ],
)
def test_newsletters_colleagues_and_reports_about_private_mail_are_no_exchange(box, headers):
    with box.scope() as session:
        session.add(
            SenderAccount(channel="email", name="Altra", address="collega@lanterna.example", created_at=box.now)
        )
    old = box.now - DAY
    box.put((old, letter("old", at=old, **headers)))
    box.switch_on()
    box.read()
    box.put((None, letter("new", at=box.now, **headers)))
    box.read()
    assert (box.entries(), box.events()) == ([], [])
    assert box.folder().left_out == 2


def test_an_excluded_address_is_never_kept_and_what_came_before_can_be_thrown_away(box):
    friend = box.person("Friend", "friend@private.example")
    old = box.now - 50 * DAY
    box.put((old, letter("old", at=old, sender="friend@private.example")))
    box.switch_on()
    box.read()
    box.put((None, letter("new", at=box.now, sender="friend@private.example")))
    box.put((None, letter("out", at=box.now, sender=OWN, to="friend@private.example")), folder=MARKED)
    box.read()
    assert len(box.entries(friend)) == 3
    pattern = "@private.example"
    with box.scope() as session:
        mailboxes.exclude(session, box.actor, account_id=box.account_id, pattern="Private.example", now=box.now)
    box.put((None, letter("later", at=box.now, sender="friend@private.example")))
    box.put((None, letter("both", at=box.now, sender=OWN, to="ann@example.com, friend@private.example")), folder=MARKED)
    box.read()
    assert len(box.entries(friend)) == 3
    with box.scope() as session:
        count = mailbox_forgetting.kept_of(session, box.actor, account_id=box.account_id, patterns=[pattern])
        assert count == 3
        gone = mailbox_forgetting.forget_of(
            session, box.actor, account_id=box.account_id, patterns=[pattern], now=box.now
        )
    assert (gone, box.entries(), box.conversations()) == (3, [], [])
    with box.scope() as session:
        assert session.scalar(select(func.count()).select_from(InboundRaw)) == 0
        assert session.scalar(select(Warmth.score).where(Warmth.contact_id == friend)) in {None, 0}


def test_the_files_of_mails_that_are_thrown_away_go_with_them(box, monkeypatch, tmp_path):
    for module in (written, mailbox_forgetting):
        monkeypatch.setattr(module, "files_folder", lambda: tmp_path)
    box.person("Friend", "friend@private.example")
    box.switch_on()
    box.read()
    raw = letter(
        "file",
        at=box.now,
        sender="friend@private.example",
        MIME_Version="1.0",
        Content_Type='multipart/mixed; boundary="b"',
        text="--b\r\nContent-Type: text/plain\r\n\r\nCiao\r\n--b\r\nContent-Type: application/pdf\r\n"
        'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n%PDF-1.4 private\r\n--b--',
    )
    box.put((None, raw))
    box.read()
    with box.scope() as session:
        (kept,) = session.scalars(select(StoredFile)).all()
        path = path_of(tmp_path, kept.id)
        assert path.is_file()
        patterns = ["@private.example"]
        mailbox_forgetting.forget_of(session, box.actor, account_id=box.account_id, patterns=patterns, now=box.now)
    with box.scope() as session:
        assert session.scalars(select(StoredFile)).all() == []
    assert not path.exists()


def test_what_was_brought_in_can_be_forgotten_and_brought_in_again(box):
    old = box.now - 50 * DAY
    box.put((old, letter("old", at=old)))
    box.switch_on()
    box.read()
    box.put((None, letter("new", at=box.now)))
    box.read()
    with box.scope() as session:
        left = mailbox_forgetting.forget_history(session, box.actor, account_id=box.account_id, now=box.now)
    assert left == 0
    assert [entry.external_id for entry in box.entries()] == ["<new@mail.example>"], "what came in as new mail stays"
    assert box.read().ended == "not_ours"
    box.switch_on()
    box.read()
    assert len(box.entries()) == 2
    assert len(box.events()) == 1


def test_an_old_no_counts_and_a_newer_yes_outweighs_it(box):
    bea = box.person("Bea", "bea@example.com")
    old, older = box.now - 30 * DAY, box.now - 60 * DAY
    with box.scope() as session:
        # Ann's agreement is older than what she wrote, Bea's is newer.
        session.execute(update(ConsentState).where(ConsentState.contact_id == box.contact_id).values(since=older))
    box.put((old, letter("ann", at=old, text="STOP")))
    box.put((old, letter("bea", at=old, sender="bea@example.com", text="STOP")))
    box.switch_on()
    box.read()
    with box.scope() as session:
        states = session.execute(
            select(ConsentState.contact_id, ConsentState.action).where(
                ConsentState.purpose == "promotional", ConsentState.channel.in_(["", "email"])
            )
        ).all()
    assert (box.contact_id, "withdrawn") in states
    assert (bea, "granted") in states
    assert box.conversations() == []


def test_a_wrong_password_is_tried_once_and_again_after_somebody_changed_it(box):
    box.switch_on()
    with box.scope() as session:
        services.set_secret(session, box.actor, account_id=box.account_id, secret={"secret": "falsch"})
    assert box.read().ended == "imap_refused"
    held = box.box()
    assert (held.state, held.error) == ("held", "imap_refused")
    box.pass_time(DAY)
    assert box.read().ended == "not_ours", "nobody hammers at a closed door"
    with box.scope() as session:
        services.set_secret(session, box.actor, account_id=box.account_id, secret={"secret": "geheim-è"})
    assert box.read().ended == ""
    assert (box.box().state, box.box().error) == ("on", "")


def test_a_server_that_is_away_is_asked_again_later_and_later(box):
    box.switch_on()
    with box.scope() as session:
        account = session.get_one(SenderAccount, box.account_id)
        account.config = {**account.config, "imap_port": 1}
    pauses = []
    for _ in range(3):
        assert box.read().ended == "imap_connect_connect"
        found = box.box()
        assert found.next_at is not None
        with box.scope() as session:
            pauses.append(round((found.next_at - database_now(session)) / timedelta(minutes=1)))
    assert pauses == [2, 4, 8]


def test_a_folder_that_vanished_keeps_no_other_from_being_read(box):
    box.switch_on()
    box.read()
    box.put((None, letter(1, at=box.now)))
    with box.server.signed_in(box.user) as program:
        program.delete(MARKED)
    assert len(box.read().stored) == 1
    assert box.folder(MARKED).error == "imap_folder_gone"
    box.server.make_folder(box.user, MARKED)
    box.read()
    assert box.folder(MARKED).error == ""


def test_two_workers_never_read_one_mailbox_at_the_same_time(box, monkeypatch):
    box.put(*((box.now - DAY, letter(number, at=box.now - DAY)) for number in range(6)))
    box.switch_on()
    seen = []
    real = mailbox.read_page

    def meanwhile(*args, **options):
        second = mailbox.run(box.database, workspace_id=box.workspace_id, mailbox_id=box.mailbox_id)
        seen.append(second.ended)
        return real(*args, **options)

    monkeypatch.setattr(mailbox, "read_page", meanwhile)
    box.read(page=2)
    assert seen == ["not_ours"] * 3
    assert len(box.entries()) == 6


def test_an_orphan_that_wakes_up_late_changes_nothing(box, monkeypatch):
    box.put(*((box.now - DAY, letter(number, at=box.now - DAY)) for number in range(6)))
    box.switch_on()
    real = mailbox.read_page
    turns = []

    def slept(*args, **options):
        if not turns:
            turns.append("first")
            box.pass_time(timedelta(hours=1))
            mailbox.run(box.database, workspace_id=box.workspace_id, mailbox_id=box.mailbox_id)
        return real(*args, **options)

    monkeypatch.setattr(mailbox, "read_page", slept)
    assert box.read(page=2).ended == "lost"
    assert len(box.entries()) == 6
    assert (box.folder().back_done, box.folder().kept) == (6, 6)


def test_one_mail_that_can_not_be_landed_keeps_no_other_out(box):
    at = box.now - DAY
    names = ["a", "b", "c"]
    box.put(*((at, letter(name, at=at)) for name in names))
    box.put((at, letter("nul", at=at, text="x\0y", subject="=?utf-8?q?a=00b?=")))
    box.put((at, b"no head at all"), (at, b"\xff\xfe\r\n\r\n\x00"))
    box.switch_on()
    box.read()
    found = {entry.external_id for entry in box.entries()}
    assert found >= {f"<{name}@mail.example>" for name in names}
    assert (box.folder().back_uid, box.box().error) == (0, "")


def test_a_crowd_in_the_header_is_a_newsletter_and_costs_nothing(box):
    crowd = ",\r\n ".join(f"somebody{number}@everywhere.example" for number in range(10_000))
    box.put(
        (box.now - DAY, letter("crowd", at=box.now - DAY, sender=OWN, to=f"ann@example.com, {crowd}")), folder=MARKED
    )
    box.put((box.now - DAY, letter("in", at=box.now - DAY, to=f"{OWN}, {crowd}")))
    box.switch_on()
    box.read()
    assert box.entries() == []
    assert (box.folder().left_out, box.folder(MARKED).left_out) == (1, 1)


def test_who_stops_it_is_obeyed_before_the_next_page(box, monkeypatch):
    box.put(*((box.now - DAY, letter(number, at=box.now - DAY)) for number in range(6)))
    box.switch_on()
    real = mailbox.read_page

    def stopped(*args, **options):
        real(*args, **options)
        with box.scope() as session:
            mailboxes.stop(session, box.actor, account_id=box.account_id)

    monkeypatch.setattr(mailbox, "read_page", stopped)
    assert box.read(page=2).ended == "lost"
    assert len(box.entries()) == 2
    monkeypatch.setattr(mailbox, "read_page", real)
    with box.scope() as session:
        mailboxes.resume(session, box.actor, account_id=box.account_id, now=box.now)
    box.read(page=2)
    assert len(box.entries()) == 6


def test_a_longer_reach_brings_in_what_is_missing(box):
    long_ago, lately = box.now - 400 * DAY, box.now - 20 * DAY
    box.put((long_ago, letter("long", at=long_ago)), (lately, letter("lately", at=lately)))
    box.switch_on(reach=MailboxReach.THREE_MONTHS)
    box.read()
    assert len(box.entries()) == 1
    box.switch_on(reach=MailboxReach.TWO_YEARS)
    box.read()
    assert [entry.happened_at for entry in box.entries()] == [long_ago, lately]
    box.switch_on(reach=MailboxReach.NOTHING)
    assert box.read().looked == 0


def test_the_direction_of_a_mail_to_several_people_is_ours_for_each(box):
    bea = box.person("Bea", "bea@example.com")
    at = box.now - DAY
    raw = letter("both", at=at, sender=OWN, to="ann@example.com, Bea <bea@example.com>", Cc="who@nobody.example")
    box.put((at, raw), folder=MARKED)
    box.switch_on()
    box.read()
    found = {entry.contact_id: (entry.external_id, entry.direction) for entry in box.entries()}
    assert found == {
        box.contact_id: ("<both@mail.example>#ann@example.com", Direction.OUTBOUND),
        bea: ("<both@mail.example>#bea@example.com", Direction.OUTBOUND),
    }
    with box.scope() as session:
        assert session.scalars(select(UnknownCorrespondent.address_norm)).all() == ["who@nobody.example"]


def test_a_copy_of_our_own_message_settles_it_and_is_no_second_entry(box):
    with box.scope() as session:
        now = database_now(session)
        outreach.message(session, box.actor, box.contact_id, account_id=box.account_id, send_at=now, now=now)
    with box.scope() as session:
        now = database_now(session)
        lease = timedelta(seconds=60)
        claimed = claim(session, box.actor, account_id=box.account_id, worker="t", lease=lease, now=now)
        begun = wave(session, box.actor, claimed=claimed, finished=[], following=claimed.items, now=now)
        lost = [Finished(each, Outcome(kind=OutcomeKind.UNKNOWN, code="final_hang_up")) for each in begun.started]
        wave(session, box.actor, claimed=claimed, finished=lost, following=[], now=now)
    with box.scope() as session:
        message = session.scalars(select(Message)).one()
    assert (message.state, message.reference is not None) == ("uncertain", True)
    copy = letter("x", at=box.now, sender=OWN, to="ann@example.com", Message_ID=message.reference or "")
    box.put((None, copy), folder=MARKED)
    box.switch_on()
    box.read()
    with box.scope() as session:
        message = session.scalars(select(Message)).one()
    assert message.state == "sent"
    assert [entry.source_kind for entry in box.entries(box.contact_id)] == ["message"]


def test_a_mail_that_was_copied_to_the_history_and_lies_among_the_sent_ones_is_one_entry(box):
    with box.scope() as session:
        token = copies.renew_history_token(session, box.colleague, now=box.now)
    box.switch_on()
    box.read()
    own = OWN.replace("@", f"+{token}@")
    box.put((None, letter(1, at=box.now, sender=OWN, to="ann@example.com", Delivered_To=own)))
    box.put((None, letter(1, at=box.now, sender=OWN, to="ann@example.com")), folder=MARKED)
    box.read()
    assert [entry.kind for entry in box.entries(box.contact_id)] == ["message.sent"]


def test_the_clock_asks_for_mailboxes_whose_time_has_come(box):
    asked = []

    class Wakes:
        def enqueue(self, name, *, id, workspace_id, mailbox_id):  # noqa: A002 - the queue's own word.
            asked.append((name, id, workspace_id, mailbox_id))

    def due() -> list:
        asked.clear()
        clock.wake_for_mailboxes(clock.Clock(box.database, Wakes()))
        return asked

    box.switch_on()
    assert due() == [(JobName.READ_MAILBOX, f"mailbox:{box.mailbox_id}", box.workspace_id, box.mailbox_id)]
    box.read()
    assert due() == [], "it has just been read"
    box.pass_time(DAY)
    assert len(due()) == 1
    with box.scope() as session:
        services.set_secret(session, box.actor, account_id=box.account_id, secret={"secret": "falsch"})
    box.read()
    box.pass_time(DAY)
    assert due() == [], "whoever was refused is left alone"
    with box.scope() as session:
        services.set_secret(session, box.actor, account_id=box.account_id, secret={"secret": "another"})
    assert len(due()) == 1
