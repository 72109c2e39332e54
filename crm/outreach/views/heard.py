"""Words that come in by hand: answers pasted from a chat, and public comments."""

from collections.abc import Sequence
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.assisted import ASSISTED_CHANNELS
from crm.channels.base import ChannelKind
from crm.clock import zone
from crm.contacts import queries as contacts
from crm.errors import AppError, ConflictError
from crm.outreach import queries, services
from crm.outreach.forms import HeardForm, PublicPostForm
from crm.outreach.pasted import Said, names, read
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import CHANNELS
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/heard")
@requires(Permission.WRITE)
def heard(contact_id: UUID) -> str:
    """The form for what a person answered elsewhere."""
    form = HeardForm(formdata=None, data={"channel": request.args.get("channel", "")})
    return _heard(contact_id, form, [])


@blueprint.post("/contacts/<uuid:contact_id>/heard")
@requires(Permission.WRITE)
def hear(contact_id: UUID) -> ResponseReturnValue:
    """Take the words in as any other answer; where several people speak, ask which of them it is."""
    session, actor, now = current_session(), current_actor(), request_now()
    person = contacts.contact(session, actor, contact_id=contact_id)
    form = HeardForm()
    form.channel.choices = _channels(contact_id)
    if not form.channel.data:
        # Who shares words into the app has chosen a person, and with them the way they last wrote.
        usual = next((value for value, _label in form.channel.choices), None)
        form.channel.data = request.args.get("channel") or usual
    if not form.validate_on_submit():
        return _heard(contact_id, form, []), 422
    place = zone(actor.time_zone)
    said = read(form.text.data or "", zone=place, now=now)
    given = form.happened_at.data.replace(tzinfo=place) if form.happened_at.data else None
    people = names(said)
    who = form.who.data if form.who.data in people else _named(people, person.display_name, actor.name)
    if people and who is None:
        form.who.errors = [_("Several people speak here: choose whose words are taken in.")]
        return _heard(contact_id, form, people), 422
    theirs = [Said(one.who, one.at or given, one.text, one.number) for one in said if one.who in {"", who}]
    try:
        result = services.hear(
            session, actor, contact_id=contact_id, channel=ChannelKind(form.channel.data), said=theirs, now=now
        )
    except AppError as error:
        form.absorb(error)
        return _heard(contact_id, form, people), 422
    _tell(result)
    if not result.messages:
        return redirect(f"/contacts/{contact_id}", code=303)
    return redirect(url_for(".conversation", conversation_id=result.messages[-1].conversation_id), code=303)


@blueprint.get("/public-posts/new")
@requires(Permission.WRITE)
def new_public_post() -> str:
    """The form for a comment or mention; `contact` is who wrote it, when it is known."""
    return _public_post(PublicPostForm(formdata=None))


@blueprint.post("/public-posts/new")
@requires(Permission.WRITE)
def log_public_post() -> ResponseReturnValue:
    """Take in a public comment: it waits in the inbox for an answer."""
    form = PublicPostForm()
    if not form.validate_on_submit():
        return _public_post(form), 422
    channel, contact_id = form.network(), _contact_id()
    try:
        if channel is None:
            raise ConflictError(_("This link does not say its network: choose it below."), code="no_network")
        message = services.log_public_post(
            current_session(),
            current_actor(),
            post=services.Posted(
                channel=channel,
                post_url=(form.post_url.data or "").strip(),
                text=(form.text.data or "").strip(),
                contact_id=contact_id,
                author=(form.author.data or "").strip(),
                is_negative=bool(form.is_negative.data),
            ),
            now=request_now(),
        )
    except AppError as error:
        form.absorb(error)
        return _public_post(form), 422
    flash(_("It stands in the inbox, where everybody’s words wait for an answer."), "ok")
    return redirect(url_for(".conversation", conversation_id=message.conversation_id), code=303)


@blueprint.post("/inbox/<uuid:conversation_id>/answered-there")
@requires(Permission.WRITE)
def answered_there(conversation_id: UUID) -> ResponseReturnValue:
    """Note that one of us answered where everybody reads it."""
    session, actor = current_session(), current_actor()
    queries.conversation(session, actor, conversation_id=conversation_id)
    services.answered_there(session, actor, conversation_id=conversation_id, now=request_now())
    flash(_("Noted as answered."), "ok")
    return redirect(url_for(".conversation", conversation_id=conversation_id), code=303)


def _named(people: Sequence[str], theirs: str, ours: str) -> str | None:
    """Whose words are taken in, where it is clear: the person by name, or whoever is not the reader."""
    if not people:
        return None
    folded = {name.casefold(): name for name in people}
    first = theirs.split(" ", 1)[0].casefold()
    for known in (theirs.casefold(), first):
        if known in folded:
            return folded[known]
    others = [name for name in people if name.casefold() not in {ours.casefold(), ours.split(" ", 1)[0].casefold()}]
    return others[0] if len(others) == 1 else None


def _channels(contact_id: UUID) -> list[tuple[str, str]]:
    handles = contacts.handles_of(current_session(), current_actor(), contact_ids=[contact_id]).get(contact_id, [])
    kinds = dict.fromkeys(ChannelKind(handle.channel) for handle in handles)
    return [(kind.value, str(CHANNELS[kind])) for kind in kinds if kind in ASSISTED_CHANNELS]


def _tell(result: services.Heard) -> None:
    count = len(result.messages)
    if count:
        flash(ngettext("One message is in.", "%(number)s messages are in.", count, number=count), "ok")
    if result.known:
        said = ngettext("One was there already.", "%(number)s were there already.", result.known, number=result.known)
        flash(said, "info")


def _heard(contact_id: UUID, form: HeardForm, people: Sequence[str]) -> str:
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id)
    form.channel.choices = _channels(contact_id)
    form.who.choices = [(name, name) for name in people]
    return render_template("outreach/heard.html", form=form, person=person, people=people)


def _contact_id() -> UUID | None:
    """The person whom the form was opened for; None for anything that is no id."""
    try:
        return UUID(request.args.get("contact", ""))
    except ValueError:
        return None


def _public_post(form: PublicPostForm) -> str:
    contact_id = _contact_id()
    person = contacts.contact(current_session(), current_actor(), contact_id=contact_id) if contact_id else None
    return render_template("outreach/public_post.html", form=form, person=person)
