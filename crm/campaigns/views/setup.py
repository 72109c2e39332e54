"""Pages that set a campaign up: the list, a new one, people, offer, message, preparation."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor
from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.campaigns import queries, services
from crm.campaigns.forms import OWNERS, NameForm, OfferForm, PeopleForm, WordsForm
from crm.campaigns.kinds import CampaignStage, CampaignState
from crm.campaigns.models import Campaign
from crm.campaigns.queries import CampaignLine
from crm.campaigns.views.blueprint import blueprint, head, load, may_look, may_write
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.errors import AppError
from crm.loyalty import queries as loyalty
from crm.outreach import queries as outreach
from crm.outreach.content import Rendered
from crm.outreach.variables import VARIABLES
from crm.segments import queries as segments
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now

#: How many people are offered to read the preview with.
READERS = 30


@blueprint.get("/campaigns")
@may_look
def index() -> str:
    """All campaigns, the newest first."""
    page = queries.campaigns(current_session(), current_actor(), after=request.args.get("after"), now=request_now())
    return render_template("campaigns/index.html", page=page)


def _segment_choices(nobody: str) -> list[tuple[str, str]]:
    page = segments.segments(current_session(), current_actor(), limit=200)
    return [("", nobody), *((str(row.id), row.name) for row in page.items)]


@blueprint.get("/campaigns/new")
@may_write
def new() -> str:
    """A name, and for whom."""
    form = NameForm(request.args, meta={"csrf": False}) if request.args else NameForm()
    return _new(NameForm(name=form.name.data, segment_id=form.segment_id.data))


def _new(form: NameForm) -> str:
    form.segment_id.choices = _segment_choices(_("I pick them by hand"))
    picked = contacts.contacts(current_session(), current_actor(), contact_ids=_ids("contact"))
    return render_template("campaigns/new.html", form=form, picked=list(picked.values()))


def _ids(name: str) -> list[UUID]:
    """The ids given as `name`; whatever is none is left out."""
    found: list[UUID] = []
    for value in request.values.getlist(name):
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


@blueprint.post("/campaigns/new")
@may_write
def create() -> ResponseReturnValue:
    """Make it and go on with the people."""
    form = NameForm()
    form.segment_id.choices = _segment_choices(_("I pick them by hand"))
    if form.validate_on_submit():
        try:
            campaign = services.create(
                current_session(),
                current_actor(),
                name=form.name.data or "",
                segment_id=UUID(form.segment_id.data) if form.segment_id.data else None,
                contact_ids=_ids("contact"),
                now=request_now(),
            )
            return redirect(url_for(".people", campaign_id=campaign.id), code=303)
        except AppError as error:
            form.absorb(error)
    return _new(form), 422


@blueprint.get("/campaigns/<uuid:campaign_id>")
@may_look
def show(campaign_id: UUID) -> ResponseReturnValue:
    """The page where the campaign goes on."""
    line = load(campaign_id)
    page = {
        CampaignState.DRAFT: "people",
        CampaignState.REVIEW: "review",
        CampaignState.FINISHED: "report",
        CampaignState.CANCELLED: "report",
    }.get(line.state, "run")
    return redirect(url_for(f".{page}", campaign_id=campaign_id), code=303)


@blueprint.get("/campaigns/<uuid:campaign_id>/people")
@may_look
def people(campaign_id: UUID) -> str:
    """Whom it would write to, and whether the gate lets it."""
    line = load(campaign_id)
    campaign = line.campaign
    form = PeopleForm(
        segment_id=str(campaign.segment_id or ""),
        leavers=campaign.leavers,
        holdout_percent=campaign.holdout_percent,
    )
    return _people(line, form)


def _people(line: CampaignLine, form: PeopleForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    form.segment_id.choices = _segment_choices(_("No segment, only people picked by hand"))
    text = request.args.get("q", "")
    matched = contacts.search_contacts(session, actor, text=text, limit=10) if text else []
    found = contacts.contacts(session, actor, contact_ids=matched)
    return render_template(
        "campaigns/people.html",
        form=form,
        people=queries.people(session, actor, campaign=line.campaign, now=now) if head(line)["is_draft"] else None,
        taken_out=queries.taken_out(session, actor, campaign=line.campaign),
        found=list(found.values()),
        limit=session.get_one(Workspace, actor.workspace_id).audience_limit,
        may_exceed=actor.may(Permission.SEND_BEYOND_LIMITS),
        **head(line),
    )


@blueprint.post("/campaigns/<uuid:campaign_id>/people")
@may_write
def choose_people(campaign_id: UUID) -> ResponseReturnValue:
    """Keep the choice; go on, or only look at the verdicts anew."""
    line = load(campaign_id)
    form = PeopleForm()
    form.segment_id.choices = _segment_choices("")
    if form.validate_on_submit():
        try:
            services.choose_people(
                current_session(), current_actor(), campaign_id=campaign_id, data=form.data_of(), now=request_now()
            )
            page = ".people" if "stay" in request.form else ".offer"
            return redirect(url_for(page, campaign_id=campaign_id), code=303)
        except AppError as error:
            form.absorb(error)
    return _people(line, form), 422


@blueprint.post("/campaigns/<uuid:campaign_id>/pick")
@may_write
def pick(campaign_id: UUID) -> ResponseReturnValue:
    """Add people by hand, take one out, or leave it to the segment again."""
    session, actor, now = current_session(), current_actor(), request_now()
    ids = _ids("contact")
    match request.form.get("mode", "added"):
        case "removed":
            services.take_out(session, actor, campaign_id=campaign_id, contact_ids=ids, now=now)
        case "forget":
            for contact_id in ids:
                services.forget_pick(session, actor, campaign_id=campaign_id, contact_id=contact_id, now=now)
        case _:
            count = services.pick(session, actor, campaign_id=campaign_id, contact_ids=ids, now=now)
            flash(ngettext("%(num)s person added.", "%(num)s people added.", count), "ok")
    return redirect(url_for(".people", campaign_id=campaign_id), code=303)


@blueprint.get("/campaigns/<uuid:campaign_id>/offer")
@may_look
def offer(campaign_id: UUID) -> str:
    """What everybody gets a code for, or nothing; an offer just made for it stands chosen."""
    line = load(campaign_id)
    return _offer(line, OfferForm(offer_id=request.args.get("offer_id") or str(line.campaign.offer_id or "")))


def _offer(line: CampaignLine, form: OfferForm) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    offers = loyalty.givable_offers(session, actor, now=now)
    form.offer_id.choices = [("", _("No offer")), *((str(row.id), row.name) for row in offers)]
    chosen = None
    if line.campaign.offer_id is not None:
        chosen = loyalty.offer(session, actor, offer_id=line.campaign.offer_id, now=now)
    return render_template("campaigns/offer.html", form=form, offers=offers, chosen=chosen, **head(line))


@blueprint.post("/campaigns/<uuid:campaign_id>/offer")
@may_write
def choose_offer(campaign_id: UUID) -> ResponseReturnValue:
    """Keep the offer and go on with the words."""
    line = load(campaign_id)
    form = OfferForm()
    offers = loyalty.givable_offers(current_session(), current_actor(), now=request_now())
    form.offer_id.choices = [("", ""), *((str(row.id), row.name) for row in offers)]
    if form.validate_on_submit():
        try:
            services.choose_offer(
                current_session(), current_actor(), campaign_id=campaign_id, offer_id=form.chosen(), now=request_now()
            )
            return redirect(url_for(".message", campaign_id=campaign_id), code=303)
        except AppError as error:
            form.absorb(error)
    return _offer(line, form), 422


@blueprint.get("/campaigns/<uuid:campaign_id>/message")
@may_look
def message(campaign_id: UUID) -> str:
    """The words, with how one of the people would read them."""
    line = load(campaign_id)
    campaign = line.campaign
    texts = queries.texts(current_session(), campaign)
    known = {
        f"{name}_{language}" if language else name: getattr(row, name)
        for language, row in texts.items()
        for name in ("subject", "body")
    }
    form = WordsForm(
        purpose=campaign.purpose,
        channel=campaign.channel,
        account_id=OWNERS if campaign.from_owner else str(campaign.account_id or ""),
        **known,
    )
    return _message(line, form)


def _accounts(form: WordsForm) -> None:
    rows = outreach.accounts(current_session(), current_actor())
    form.account_id.choices = [
        ("", _("The usual one")),
        (OWNERS, _("Each person’s owner")),
        *((str(row.id), f"{row.name}, {row.address}" if row.address else row.name) for row in rows),
    ]


def _message(line: CampaignLine, form: WordsForm, shown: Rendered | None = None) -> str:
    session, actor, now = current_session(), current_actor(), request_now()
    _accounts(form)
    readers = []
    if line.campaign.stage == CampaignStage.DRAFT:
        readers = [
            person.contact
            for person in queries.people(session, actor, campaign=line.campaign, now=now).candidates
            if person.writable
        ][:READERS]
    form.person.choices = [(str(person.id), person.display_name) for person in readers]
    if shown is None and readers and form.body.data:
        shown = _preview(line.campaign, form, readers[0].id)
    locale = session.get_one(Workspace, actor.workspace_id).locale
    offer = None
    if line.campaign.offer_id is not None:
        offer = loyalty.offer(session, actor, offer_id=line.campaign.offer_id, now=now)
    return render_template(
        "campaigns/message.html",
        form=form,
        shown=shown,
        readers=readers,
        variables=VARIABLES,
        other="en" if locale.startswith("it") else "it",
        texts=queries.texts(session, line.campaign),
        offer=offer,
        needs_code=_needs_code(line.campaign, form),
        is_email=line.campaign.channel == ChannelKind.EMAIL,
        **head(line),
    )


def _needs_code(campaign: Campaign, form: WordsForm) -> bool:
    """True while the campaign has an offer and the text leaves the code out that makes it the reader's."""
    return campaign.offer_id is not None and "voucher.code" not in (form.body.data or "")


def _preview(campaign: Campaign, form: WordsForm, contact_id: UUID) -> Rendered | None:
    """What the reader would see; None while the text can't be used, with the reason beside the field."""
    try:
        return services.preview(
            current_session(),
            current_actor(),
            campaign_id=campaign.id,
            contact_id=contact_id,
            subject=form.subject.data or "",
            body=form.body.data or "",
            now=request_now(),
        )
    except AppError as error:
        form.absorb(error)
        return None


@blueprint.post("/campaigns/<uuid:campaign_id>/preview")
@may_write
def preview(campaign_id: UUID) -> str:
    """The preview alone, while typing (htmx)."""
    line = load(campaign_id)
    form = WordsForm()
    readers = _ids("person")
    form.body.errors, form.subject.errors = [], []
    shown = _preview(line.campaign, form, readers[0]) if readers and form.body.data else None
    problems = [*form.subject.errors, *form.body.errors, *form.form_errors]
    needs_code = _needs_code(line.campaign, form)
    return render_template("campaigns/_preview.html", shown=shown, problems=problems, needs_code=needs_code)


@blueprint.post("/campaigns/<uuid:campaign_id>/message")
@may_write
def write(campaign_id: UUID) -> ResponseReturnValue:
    """Keep the words; write the drafts, or stay."""
    line = load(campaign_id)
    session, actor, now = current_session(), current_actor(), request_now()
    form = WordsForm()
    _accounts(form)
    if not form.validate_on_submit():
        return _message(line, form), 422
    try:
        services.write_words(session, actor, campaign_id=campaign_id, data=form.data_of(), now=now)
        if "stay" in request.form:
            readers = _ids("person")
            return _message(load(campaign_id), form, _preview(line.campaign, form, readers[0]) if readers else None)
        done = services.prepare(session, actor, campaign_id=campaign_id, now=now)
    except AppError as error:
        form.absorb(error)
        return _message(line, form), 422
    flash(ngettext("%(num)s draft is written.", "%(num)s drafts are written.", done.drafted), "ok")
    return redirect(url_for(".review", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<uuid:campaign_id>/discard")
@may_write
def discard(campaign_id: UUID) -> ResponseReturnValue:
    """Throw the drafts away to change people, offer or words."""
    services.discard(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    flash(_("The drafts are thrown away, their codes taken back. Nothing had left."), "ok")
    return redirect(url_for(".message", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<uuid:campaign_id>/name")
@may_write
def rename(campaign_id: UUID) -> ResponseReturnValue:
    """Call it otherwise."""
    services.rename(
        current_session(),
        current_actor(),
        campaign_id=campaign_id,
        name=request.form.get("name", ""),
        now=request_now(),
    )
    return redirect(url_for(".show", campaign_id=campaign_id), code=303)


@blueprint.post("/campaigns/<uuid:campaign_id>/delete")
@may_write
def delete(campaign_id: UUID) -> ResponseReturnValue:
    """Put it away."""
    campaign = services.remove(current_session(), current_actor(), campaign_id=campaign_id, now=request_now())
    flash(_("“%(name)s” is put away.", name=campaign.name), "ok")
    return redirect(url_for(".index"), code=303)
