"""Writing to a person in place: the message part of the composer, what the gate says of each channel, and sending."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.utils import redirect
from wtforms import SelectField
from wtforms.validators import Optional as MayBeEmpty

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.queries import workspace
from crm.campaigns.variables import offer_values
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Contact, Handle
from crm.desk.contact_page import page, parts
from crm.desk.reach import reach
from crm.errors import AppError, InvalidInputError
from crm.loyalty import queries as loyalty
from crm.loyalty import services as giving
from crm.outreach import queries as outreach
from crm.outreach import services
from crm.outreach.forms import NOW, WRITTEN, ApprovedFields, MessageForm
from crm.outreach.models import Message, SenderAccount
from crm.outreach.rules import Disposition, Reason, Verdict
from crm.outreach.services.compose import language_of
from crm.outreach.views.messages import account_choices, tell_leaving
from crm.outreach.waking import wake
from crm.outreach.words import CHANNELS, ICONS, reason_text, way_text
from crm.web.formats import moment
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("composer", __name__)

#: What the text needs where a message carries an offer.
CODE: Final = "{{ voucher.code }}"
#: The hour that "at a time" proposes, tomorrow.
PROPOSED: Final = time(9)


class ComposerForm(ApprovedFields, MessageForm):
    """A message with the texts to start from and the offers it may carry; `_form` fills in the choices."""

    template_id = SelectField(lazy("Texts to start from"), validate_choice=False)
    offer_id = SelectField(lazy("Offer"))

    def uuid(self, name: str) -> UUID | None:
        """The chosen id of a field, None for none."""
        chosen = self._fields[name].data
        return UUID(chosen) if chosen else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One channel of the person, and what the gate says about writing there; `tone` is ok, wait or bad."""

    channel: ChannelKind
    label: str
    icon: str
    address: str
    by_hand: bool
    tone: str
    text: str
    next_step: str


@blueprint.post("/contacts/<uuid:contact_id>/composer")
@requires(Permission.WRITE)
def show(contact_id: UUID) -> ResponseReturnValue:
    """The composer in another mode, or after a choice that changes it: nothing is kept, what was typed stays."""
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    mode = request.form.get("to", "message")
    if mode != "message":
        return _answer(person, {"mode": mode, "typed": request.form.get("body", "")})
    form = _form(person)
    _start_from(person, form)
    return _answer(person, _writing(person, form))


@blueprint.post("/contacts/<uuid:contact_id>/message")
@requires(Permission.WRITE)
def send(contact_id: UUID) -> ResponseReturnValue:
    """Write the message: it stands on the timeline, waiting for its moment or for a hand."""
    session, actor = current_session(), current_actor()
    person = contacts.contact(session, actor, contact_id=contact_id)
    form = _form(person)
    if not form.validate_on_submit():
        return _answer(person, _writing(person, form)), 422
    try:
        message = _write(person, form)
    except AppError as error:
        form.absorb(error)
        return _answer(person, _writing(person, form)), 422
    by_hand = _open(message) if message.is_assisted and form.when.data == NOW else None
    if by_hand is None:
        wake(message)
        tell_leaving(message, back=url_for("contact_page.show", contact_id=contact_id))
    if "HX-Request" not in request.headers:
        if by_hand is not None:
            return redirect(url_for("outreach.message", message_id=message.id), code=303)
        return redirect(url_for("contact_page.show", contact_id=contact_id), code=303)
    return render_template("desk/_sent.html", by_hand=by_hand, message=message, mode="note", typed="", **parts(person))


def _answer(person: Contact, composer: dict[str, Any]) -> str:
    """The composer alone for htmx, the whole page around it without script."""
    if "HX-Request" in request.headers:
        return render_template("desk/_composer.html", **parts(person, with_story=False), **composer)
    return page(person, **composer)


def _form(person: Contact) -> ComposerForm:
    """The form as it was sent, with the choices that this person allows; what makes no sense falls back."""
    session, actor, now = current_session(), current_actor(), request_now()
    form = ComposerForm()
    handles = _handles(person)
    form.channel.choices = [(kind.value, str(CHANNELS[kind])) for kind in handles]
    known = {value for value, _label in form.channel.choices}
    if form.channel.data not in known:
        form.channel.data = next(iter(known & {ChannelKind.EMAIL.value}), None) or next(iter(handles), None)
    if form.purpose.data not in {kind.value for kind in WRITTEN}:
        form.purpose.data = Purpose.PERSONAL.value
    form.account_id.choices = account_choices(form.channel.data)
    if form.account_id.data not in {choice[0] for choice in form.account_id.choices}:
        form.account_id.data = ""
    fitting = [row for row in outreach.templates(session, actor) if row.channel == form.channel.data]
    form.template_id.choices = [(str(row.id), row.name) for row in fitting]
    _offer_approved(form)
    offers = loyalty.givable_offers(session, actor, now=now)
    form.offer_id.choices = [("", _("no offer")), *((str(row.id), row.name) for row in offers)]
    form.offer_id.data = form.offer_id.data or ""
    if form.on.data is None and not form.on.raw_data:
        form.on.data = local_day(now, tz=actor.time_zone) + timedelta(days=1)
        form.at.data = PROPOSED
    return form


def _offer_approved(form: ComposerForm) -> None:
    """The templates of the account that the network lets go; a chosen one takes the place of the text."""
    accounts = _accounts(form.channel.data) if form.channel.data == ChannelKind.WHATSAPP else []
    account = next((row for row in accounts if str(row.id) == form.account_id.data), next(iter(accounts), None))
    form.offer_approved(
        outreach.sendable_templates(current_session(), account_id=account.id) if account else [], or_else=_("Free text")
    )
    if form.approved is not None:
        form.body.validators = [MayBeEmpty()]


def _start_from(person: Contact, form: ComposerForm) -> None:
    """Put the chosen text in, as it reads for this person, behind what was typed; and the code of a chosen offer."""
    session, actor = current_session(), current_actor()
    chosen = form.template_id.data
    if chosen and chosen in {choice[0] for choice in form.template_id.choices or ()}:
        row = outreach.template(session, actor, template_id=UUID(chosen))
        subject, body = _filled(person, form, row.subject, row.body)
        form.subject.data = form.subject.data or subject
        form.body.data = f"{form.body.data}\n\n{body}" if (form.body.data or "").strip() else body
    form.template_id.data = ""
    text = form.body.data or ""
    if form.offer_id.data and "voucher.code" not in text:
        line = "{{ offer.name }}: " + CODE
        form.body.data = f"{text}\n\n{line}" if text.strip() else line


def _filled(person: Contact, form: ComposerForm, subject: str, body: str) -> tuple[str, str]:
    """A text with this person's values; as it stands where one of them is missing, so that the writer sees which."""
    account = next((row for row in _accounts(form.channel.data) if str(row.id) == form.account_id.data), None)
    channel = ChannelKind(form.channel.data)
    try:
        words, missing = services.fill_words(
            current_session(), current_actor(), person, account, channel=channel, subject=subject, body=body
        )
    except InvalidInputError:
        return subject, body
    return (subject, body) if missing else (words.subject, words.body)


def _writing(person: Contact, form: ComposerForm) -> dict[str, Any]:
    """What the message part of the composer shows."""
    ways = _ways(person, form)
    chosen = next((way for way in ways if way.channel == form.channel.data), None)
    return {"mode": "message", "form": form, "ways": ways, "chosen": chosen}


def _ways(person: Contact, form: ComposerForm) -> list[Way]:
    session, actor, now = current_session(), current_actor(), request_now()
    at = _planned(form)
    served = {account.channel for account in outreach.accounts(session, actor)}
    reached = {way.handle_id: way for way in reach(session, actor, contact_ids=[person.id], now=now).get(person.id, [])}
    ways = []
    for channel, handle in _handles(person).items():
        way = reached.get(handle.id)
        has_template = form.approved is not None and channel == form.channel.data
        verdict = outreach.verdict(
            session,
            actor,
            contact_id=person.id,
            purpose=Purpose(form.purpose.data),
            channel=channel,
            at=at,
            has_template=has_template,
            now=now,
        )
        by_hand = channel not in served
        tone, text = _said(verdict, by_hand=by_hand)
        next_step = "" if verdict.allowed else way_text(verdict.way)
        if way is not None and not way.ok and not has_template and verdict.reason not in _OF_NETWORK:
            # The same reason as at the head of the page, and what helps against it.
            tone, next_step = "bad", way.todo
            text = _("%(channel)s: %(reason)s", channel=way.label, reason=way.note)
        ways.append(
            Way(
                channel=channel,
                label=str(CHANNELS[channel]),
                icon=ICONS[channel],
                address=handle.address,
                by_hand=by_hand,
                tone=tone,
                text=text,
                next_step=next_step,
            )
        )
    return ways


#: What the gate says better than the head of the page, because it knows the way forward.
_OF_NETWORK: Final = frozenset({Reason.NEEDS_START, Reason.WINDOW_CLOSED})


def _said(verdict: Verdict, *, by_hand: bool) -> tuple[str, str]:
    """The gate's answer as a tone and a sentence."""
    if verdict.allowed and verdict.warnings:
        return "wait", reason_text(verdict.warnings[0].reason)
    if verdict.allowed:
        return "ok", _("You may write: you send it by hand") if by_hand else _("You may write")
    reason = reason_text(verdict.reason.value) if verdict.reason else ""
    if verdict.disposition is Disposition.SKIP:
        return "bad", reason
    if verdict.until is not None:
        return "wait", _("%(reason)s Free again %(time)s.", reason=reason, time=moment(verdict.until))
    return "wait", reason


def _planned(form: ComposerForm) -> datetime | None:
    """The moment the gate is asked about; a day that can't be read is asked about as now."""
    if form.when.data == NOW or form.on.data is None:
        return None
    try:
        return form.moment(tz=current_actor().time_zone)
    except InvalidInputError:
        return None


def _write(person: Contact, form: ComposerForm) -> Message:
    session, actor, now = current_session(), current_actor(), request_now()
    offer_id, voucher_id, values = form.uuid("offer_id"), None, None
    if offer_id is not None:
        if "voucher.code" not in (form.body.data or ""):
            sentence = N_("The text has no place for the code of the offer: write {{ voucher.code }} in it.")
            raise InvalidInputError(sentence, fields={"body": sentence})
        offer = loyalty.offer(session, actor, offer_id=offer_id, now=now)
        made = giving.allocate_vouchers(
            session, actor, offer_id=offer_id, contact_ids=[person.id], source_kind="message", source_id=None, now=now
        )
        if person.id not in made:
            sentence = N_("This person has had the offer as often as it allows.")
            raise InvalidInputError(sentence, fields={"offer_id": sentence})
        voucher_id = made[person.id].id
        values = offer_values(
            offer,
            code=made[person.id].code,
            company=person.company.name if person.company else "",
            language=language_of(person, workspace(session, actor)),
        )
    return services.write(
        session,
        actor,
        contact_id=person.id,
        channel=ChannelKind(form.channel.data),
        subject=form.subject.data or "",
        body=form.body.data or "",
        purpose=Purpose(form.purpose.data),
        send_at=form.moment(tz=actor.time_zone),
        account_id=form.uuid("account_id"),
        voucher_id=voucher_id,
        values=values,
        chosen=form.chosen,
        now=now,
    )


def _open(message: Message) -> services.AssistedTask | None:
    """The text and link of a message for the hand; None where the gate wants it to wait, which the timeline says."""
    try:
        return services.open_assisted(current_session(), current_actor(), message_id=message.id, now=request_now())
    except services.BlockedError:
        return None


def _handles(person: Contact) -> dict[ChannelKind, Handle]:
    """The address of each channel that a message would go to: one that works before others."""
    rows = contacts.handles_of(current_session(), current_actor(), contact_ids=[person.id]).get(person.id, [])
    found: dict[ChannelKind, Handle] = {}
    for row in sorted(rows, key=lambda row: row.state != HandleState.ACTIVE):
        found.setdefault(ChannelKind(row.channel), row)
    return {kind: found[kind] for kind in dict.fromkeys(ChannelKind(row.channel) for row in rows)}


def _accounts(channel: str | None) -> list[SenderAccount]:
    if channel is None:
        return []
    return outreach.accounts(current_session(), current_actor(), channel=ChannelKind(channel))
