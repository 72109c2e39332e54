"""One thing of every kind in a workspace, by the names that addresses use for their ids."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from factories import accounts, campaigns, contacts, deals, loyalty, outreach
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.models import Membership, User, UserSession
from crm.accounts.rules import Actor
from crm.accounts.services import browsers, memberships, progress
from crm.channels.base import Attachment, ChannelKind, Outbound
from crm.channels.letters import clean_letter
from crm.channels.mime import build
from crm.channels.sandbox import SandboxStore
from crm.consent import services as consents
from crm.consent.kinds import Basis, Purpose, SuppressionReason
from crm.contacts import services as people
from crm.contacts.kinds import CustomSubject, CustomType, LinkKind, ListSubject
from crm.db import new_id
from crm.deals import services as deal_services
from crm.enrichment import services as enrichment
from crm.enrichment.kinds import SourceName
from crm.interactions import services as timeline
from crm.interactions.kinds import Sentiment, StandardLabel
from crm.interactions.services import history
from crm.lifecycle import services as imports
from crm.lifecycle.kinds import BulkField, ExportFormat, ImportMode
from crm.lifecycle.services import Choices, bulk_edit
from crm.loyalty.services import RuleInput, create_rule, redeem
from crm.outreach import services as messages
from crm.outreach.letter_models import MessageFile
from crm.outreach.models import Conversation
from crm.outreach.services.letters import keep_letter

Ids = Mapping[str, UUID | str]
TABLE = b"Nome;Cognome;E-mail\nAda;Neri;ada@example.com\nEva;Blu;niente\n"
#: A part of an address that is a word, not an id: the same in every workspace.
WORDS: dict[str, str] = {
    "part": "amount",
    "field": "city",
    "choice": "accept",
    "name": "website",
    "own_kind": "own.fair",
    "key": "budget",
    "channel": "telegram",
}


def everything(
    session: Session, actor: Actor, *, home: Path, now: datetime | None = None, name: str = "Ann Bo"
) -> dict[str, UUID | str]:
    """{path parameter: id}, built by the use cases themselves; files and sandbox letters go below `home`.

    `name` is the person whom everything is about.

    `actor` is an owner with a user; the session is in the actor's workspace and stays there.
    """
    now = now or datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    suffix = actor.workspace_id.hex[-8:]
    company = contacts.company(session, actor, f"Bo Ceramiche {suffix}", website="https://bo.example", now=now)
    ann = contacts.contact(
        session, actor, name, email=f"ann.{suffix}@example.com", company_id=company.id, tags=["fair"], now=now
    )
    carl = contacts.contact(session, actor, "Carl Dini", email=f"carl.{suffix}@example.com", now=now)
    fact = people.suggest_fact(session, actor, contact_id=ann.id, field="city", value="Faenza", source="site", now=now)
    assert fact is not None
    field = people.create_custom_field(
        session, actor, data=people.CustomFieldInput(label="Budget", type=CustomType.NUMBER), now=now
    )
    firms = people.CustomFieldInput(subject=CustomSubject.COMPANY, label="Budget", type=CustomType.MONEY)
    people.create_custom_field(session, actor, data=firms, now=now)
    people.set_custom_values(session, actor, contact_id=ann.id, values={"budget": 12}, now=now)
    suppression = consents.suppress_typed(
        session,
        actor,
        channel=ChannelKind.EMAIL,
        address=f"never.{suffix}@example.com",
        reason=SuppressionReason.OPERATOR,
        now=now,
    )
    note = contacts.interaction(session, actor, ann.id, "note", body="As agreed", now=now)
    held = timeline.attach(
        session,
        actor,
        interaction_id=note.id,
        folder=home / "files",
        name="offer.pdf",
        media_type="application/pdf",
        stream=io.BytesIO(b"%PDF-1.7"),
        limit=10_000,
    )
    chat = f"23/11/2025, 10:15 - Ann Bo: Hello {suffix}\n".encode()
    brought = history.upload(
        session, actor, folder=home / "files", name="chat.txt", stream=io.BytesIO(chat), limit=10_000, now=now
    )
    history.start(session, actor, history_id=brought.id, people={"Ann Bo": str(ann.id)}, day_first=True, now=now)
    timeline.add_kind(session, actor, data=timeline.KindInput(name="Fair"), now=now)
    label = timeline.standard_label(session, actor, kind=StandardLabel.COMPLAINT, now=now)
    word = timeline.KeywordInput(phrase="deluso", sentiment=Sentiment.NEGATIVE, label_id=label.id)
    enrichment.set_switch(session, actor, name=SourceName.WEBSITE, is_on=True, now=now)
    upload = imports.upload(
        session, actor, folder=home / "files", name="people.csv", stream=io.BytesIO(TABLE), limit=10_000, now=now
    )
    choices = Choices(mapping=upload.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fair", tag="")
    imports.configure(session, actor, import_id=upload.id, choices=choices, now=now)
    imports.start(session, actor, import_id=upload.id, folder=home / "files", now=now)
    asked = imports.ask(
        session, actor, form=ExportFormat.CSV, query={}, wording=imports.Wording(["Name"], ",", "people"), now=now
    )
    imports.keep(session, actor, row=asked, folder=home / "files", stream=io.BytesIO(b"Name\n"), now=now)
    # It is there for whoever asks, whatever the clock of the database says.
    asked.expires_at = now + timedelta(days=36_500)
    session.flush()
    return {
        "company_id": company.id,
        "export_id": asked.id,
        "company_view_id": people.create_view(
            session,
            actor,
            data=people.ViewInput(subject=ListSubject.COMPANIES, name="Our own", is_shared=True, args={"owner": "me"}),
            now=now,
        ).id,
        "view_id": people.create_view(
            session, actor, data=people.ViewInput(name="Our own", is_shared=True, args={"owner": "me"}), now=now
        ).id,
        "contact_id": ann.id,
        "field_id": field.id,
        "affiliation_id": people.add_affiliation(
            session, actor, contact_id=ann.id, company_id=company.id, role="Buyer", now=now
        ).id,
        "link_id": people.link(session, actor, contact_id=ann.id, other_id=carl.id, kind=LinkKind.KNOWS, now=now).id,
        "tag_id": people.tag_named(session, actor, name="fair", now=now).id,
        "fact_id": fact.id,
        "handle_id": contacts.handle(session, actor, ann.id, address=f"second.{suffix}@example.com", now=now).id,
        "stranger_id": contacts.handle(session, actor, address=f"nobody.{suffix}@example.com", now=now).id,
        "interaction_id": contacts.interaction(
            session, actor, ann.id, happened_at=now - timedelta(hours=1), now=now
        ).id,
        "entry_file_id": held.id,
        "history_id": brought.id,
        "label_id": label.id,
        "keyword_rule_id": timeline.add_rule(session, actor, data=word, now=now).id,
        "task_id": contacts.task(session, actor, contact_id=ann.id, now=now).id,
        "event_id": contacts.consent(session, actor, ann.id, happened_at=now - timedelta(hours=1), now=now).id,
        "suppression_id": suppression.id,
        "run_id": enrichment.request_run(session, actor, company_id=company.id, now=now).id,
        "import_id": upload.id,
        "other_id": carl.id,
        "segment_id": campaigns.segment(
            session, actor, {"all": [{"field": "lifecycle", "op": "any_of", "value": ["lead"]}]}, now=now
        ).id,
        "change_set_id": bulk_edit.bulk_edit(
            session,
            actor,
            chosen=bulk_edit.Chosen(contact_ids=[carl.id]),
            change=bulk_edit.BulkChange(field=BulkField.IMPORTANCE, value="high"),
            now=now,
        ).change_set_id,
        **_deals(session, actor, ann.id, company.id, now=now),
        **_accounts(session, actor, now=now),
        **_loyalty(session, actor, ann.id, now=now),
        **_outreach(session, actor, ann.id, home=home, now=now),
    }


def _deals(
    session: Session, actor: Actor, contact_id: UUID, company_id: UUID, *, now: datetime
) -> dict[str, UUID | str]:
    pipeline = deals.pipeline(session, actor, now=now)
    deal = deals.deal(session, actor, contact_id=contact_id, company_ids=[company_id], now=now)
    return {
        "pipeline_id": pipeline.id,
        "deal_id": deal.id,
        "stage_id": deal.stage_id,
        "reason_id": deal_services.add_reason(session, actor, name="Budget").id,
    }


def _accounts(session: Session, actor: Actor, *, now: datetime) -> dict[str, UUID | str]:
    colleague = accounts.user(session)
    membership = Membership(user_id=colleague.id, role=Role.SALES)
    session.add(membership)
    session.flush()
    browsers.start(session, user_id=actor.user_id or new_id(), ip="127.0.0.1", agent="elsewhere", now=now)
    browser = session.scalars(
        select(UserSession.id).where(UserSession.user_id == actor.user_id, UserSession.agent == "elsewhere")
    ).one()
    invitation, _secret = memberships.invite(
        session, actor, email=f"{new_id().hex}@example.com", role=Role.VIEWER, now=now
    )
    token, _secret = accounts.token(session, actor.workspace_id)
    return {
        "workspace_id": actor.workspace_id,
        "membership_id": membership.id,
        "invitation_id": invitation.id,
        "token_id": token.id,
        "browser_id": browser,
        "progress_id": progress.start(session, actor, kind="import", title="people.csv", now=now).id,
    }


def _loyalty(session: Session, actor: Actor, contact_id: UUID, *, now: datetime) -> dict[str, UUID | str]:
    from crm.loyalty import queries, services

    program = queries.default_program(session, actor) or loyalty.program(session, actor, now=now)
    member = services.join(session, actor, contact_id=contact_id, now=now)
    rule = create_rule(
        session,
        actor,
        data=RuleInput.model_validate({"name": "Useful comment", "interaction_kind": "comment", "points": 20}),
        now=now,
    )
    offer = loyalty.offer(session, actor, now=now)
    voucher = loyalty.voucher(session, actor, offer_id=offer.id, contact_id=contact_id, now=now)
    used = loyalty.voucher(
        session, actor, offer_id=loyalty.offer(session, actor, now=now).id, contact_id=contact_id, now=now
    )
    return {
        "program_id": program.id,
        "member_id": member.id,
        "entry_id": loyalty.earn(
            session, actor, member.id, 50, now=now, idempotency_key=f"everything-{actor.workspace_id}"
        ).id,
        "rule_id": rule.id,
        "offer_id": offer.id,
        "voucher_id": voucher.id,
        "code": voucher.code,
        "redemption_id": redeem(
            session, actor, code=used.code, idempotency_key=f"everything-till-{actor.workspace_id}", now=now
        ).id,
    }


def _outreach(session: Session, actor: Actor, contact_id: UUID, *, home: Path, now: datetime) -> dict[str, UUID | str]:
    account = outreach.account(
        session,
        actor,
        f"Sandbox {actor.workspace_id.hex[-8:]}",
        address=f"sales.{actor.workspace_id.hex[-8:]}@lanterna.example.com",
        is_sandbox=True,
        now=now,
    )
    message = outreach.message(
        session, actor, contact_id, account_id=account.id, send_at=now + timedelta(days=1), now=now
    )
    keep_letter(
        session,
        message.id,
        html=clean_letter("<p style='color:#333'>Good <b>morning</b></p>"),
        files=[Attachment(filename="prices.pdf", content_type="application/pdf", content=b"%PDF")],
        folder=home / "files",
    )
    session.flush()
    file_id = session.scalars(select(MessageFile.id).where(MessageFile.message_id == message.id)).one()
    template = messages.create_template(
        session,
        actor,
        data=messages.TemplateInput(name="Hello", purpose=Purpose.PERSONAL, subject="Hello", body="Good morning."),
        now=now,
    )
    campaign = campaigns.prepared(session, actor, 2, now=now)
    reader = f"reader.{actor.workspace_id.hex[-8:]}@example.com"
    outbound = Outbound(
        message_id=new_id(),
        attempt_no=1,
        reference=f"<{new_id().hex}@crm.example>",
        from_address=account.address,
        from_name="Giulia",
        to_address=reader,
        to_name="Anna Rossi",
        subject="News",
        text="Good morning.",
        html=None,
        date=now,
        headers={},
    )
    store = SandboxStore(home)
    store.prepare()
    store.keep(account=account.public_id, sender=account.address, recipients=[reader], content=build(outbound))
    raw = (
        f"From: Ann Bo <ann.{actor.workspace_id.hex[-8:]}@example.com>\r\nTo: {account.address}\r\n"
        f"Subject: News\r\nMessage-ID: <{new_id().hex}@example.com>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
        "\r\nYes, gladly.\r\n"
    )
    messages.receive(session, account, raw.encode(), now)
    conversation = session.scalars(
        select(Conversation.id).where(Conversation.account_id == account.id, Conversation.contact_id == contact_id)
    ).first()
    assert conversation is not None
    return {
        "account_id": account.id,
        "exclusion_id": outreach.mailbox(session, actor, account.id, now=now).id,
        "template_id": template.id,
        "canned_id": messages.create_canned(
            session, actor, data=messages.CannedReplyInput(title="Thanks", body="Thank you."), now=now
        ).id,
        "message_id": message.id,
        "message_file_id": file_id,
        "conversation_id": conversation,
        "letter_id": store.letters([account.public_id])[0].id,
        "campaign_id": campaign.id,
        "recipient_id": campaigns.recipient(session, campaign).id,
    }


def owner_of(user: User, workspace_id: UUID) -> Actor:
    """The actor of a user who owns the workspace."""
    return Actor(
        workspace_id=workspace_id,
        kind=ActorKind.USER,
        role=Role.OWNER,
        user_id=user.id,
        name=user.name,
        locale=user.locale or "en",
    )
