"""Pages of duplicates and merges: who may be one person, which values stay, and the way back."""

from typing import cast
from uuid import UUID

from flask import Flask, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import Words, add_words
from crm.contacts import queries as contacts
from crm.contacts import words as contact_words
from crm.contacts.custom_rules import PREFIX
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.queries import HitKind
from crm.lifecycle import merge_words as words
from crm.lifecycle.queries import duplicates as queries
from crm.lifecycle.queries import merges as merge_queries
from crm.lifecycle.services import changes, merging
from crm.lifecycle.services import duplicates as services
from crm.lifecycle.views.blueprint import blueprint
from crm.web.formats import number
from crm.web.i18n import _, lazy, ngettext, translated
from crm.web.sessions import current_session, request_now

may_merge = requires(Permission.MERGE)
FOUND = 10


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    add_words(
        cast("Flask", state.app),
        {
            "contact.merged": Words(lazy("Merged two records of a person"), "git-merge"),
            "contact.unmerged": Words(lazy("Undid a merge"), "arrow-back-up"),
        },
    )


@blueprint.get("/duplicates")
@may_merge
def duplicates() -> str:
    """People who may be there twice, each pair with its reason."""
    page = queries.duplicates(current_session(), current_actor(), after=request.args.get("after"))
    return render_template("lifecycle/duplicates.html", page=page, sign=words.sign)


@blueprint.get("/contacts/<uuid:contact_id>/merge")
@may_merge
def choose_other(contact_id: UUID) -> str:
    """Choose whom to merge with: likely ones first, or by search."""
    session, actor = current_session(), current_actor()
    person = contacts.contact(session, actor, contact_id=contact_id)
    asked = request.args.get("q", "").strip()
    hits = contacts.search(session, actor, text=asked, limit=FOUND) if asked else []
    return render_template(
        "lifecycle/merge_choose.html",
        person=person,
        asked=asked,
        hits=[hit for hit in hits if hit.kind is HitKind.CONTACT and hit.id != contact_id],
        likely=queries.duplicates_of(session, actor, contact_id=contact_id),
        sign=words.sign,
    )


@blueprint.get("/contacts/<uuid:contact_id>/merge/<uuid:other_id>")
@may_merge
def compare(contact_id: UUID, other_id: UUID) -> str | Response:
    """Both records side by side, with what the merge would do."""
    try:
        return _compared(contact_id, other_id)
    except merging.NotMergeableError as error:
        flash(translated(error.message), "bad")
        return redirect(url_for(".choose_other", contact_id=contact_id), 303)


def _compared(contact_id: UUID, other_id: UUID) -> str:
    session, actor = current_session(), current_actor()
    found = merging.preview(session, actor, kept_id=contact_id, other_id=other_id, now=request_now())
    own = {field.name: field for field in contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)}
    referred = {
        UUID(value)
        for one in found.fields
        if one.field in own and own[one.field].type is CustomType.CONTACT
        for value in (one.kept, one.other)
        if value
    }
    people = contacts.contacts(session, actor, contact_ids=referred)
    names = {
        **contact_words.names_of(contacts.colleagues(session, actor), found.kept.company, found.other.company),
        **{str(person_id): person.display_name for person_id, person in people.items()},
    }
    return render_template(
        "lifecycle/merge.html",
        kept=found.kept,
        other=found.other,
        lines=words.lines(list(found.fields), names=names, own=own),
        effects=[(line, True) for line in words.effects(found.effects)],
        warnings=words.warnings(found.effects),
    )


@blueprint.post("/contacts/<uuid:contact_id>/merge/<uuid:other_id>")
@may_merge
def merge(contact_id: UUID, other_id: UUID) -> Response:
    """Do it, with a way back."""
    choices = {name: request.form[name] for name in request.form if name in merging.FIELDS or name.startswith(PREFIX)}
    try:
        done = merging.merge(
            current_session(),
            current_actor(),
            kept_id=contact_id,
            other_id=other_id,
            choices=choices,
            now=request_now(),
        )
    except merging.NotMergeableError as error:
        flash(translated(error.message), "bad")
        return redirect(url_for(".choose_other", contact_id=contact_id), 303)
    undo_url = url_for(".undo_merge", change_set_id=done.change_set.id)
    flash({"text": _("The two records are one now."), "undo_url": undo_url}, "ok")  # type: ignore[arg-type]
    return redirect(url_for("contact_page.show", contact_id=contact_id), 303)


@blueprint.post("/contacts/<uuid:contact_id>/not-same/<uuid:other_id>")
@may_merge
def not_same(contact_id: UUID, other_id: UUID) -> Response:
    """Remember that these are two people."""
    services.dismiss(current_session(), current_actor(), contact_id=contact_id, other_id=other_id, now=request_now())
    flash(_("These two will not be named together again."), "ok")
    if request.form.get("back") == "person":
        return redirect(url_for("contact_page.show", contact_id=contact_id), 303)
    return redirect(url_for(".duplicates"), 303)


@blueprint.get("/contacts/<uuid:contact_id>/twice")
def twice(contact_id: UUID) -> str:
    """The hint on a person's page: who may be the same, and merges that can be undone. Empty for who may not merge."""
    session, actor, now = current_session(), current_actor(), request_now()
    contacts.require_contact(session, actor, contact_id=contact_id)
    if not actor.may(Permission.MERGE):
        return render_template("lifecycle/_twice.html", contact_id=contact_id, likely=[], merges=[], sign=words.sign)
    return render_template(
        "lifecycle/_twice.html",
        contact_id=contact_id,
        likely=queries.duplicates_of(session, actor, contact_id=contact_id),
        merges=merge_queries.merges_of(session, actor, contact_id=contact_id, now=now),
        sign=words.sign,
    )


@blueprint.get("/merges")
@may_merge
def merges() -> str:
    """The merges that were done, newest first, each with its way back."""
    page = merge_queries.merges(current_session(), current_actor(), after=request.args.get("after"), now=request_now())
    return render_template("lifecycle/merges.html", page=page)


@blueprint.post("/merges/<uuid:change_set_id>/undo")
@may_merge
def undo_merge(change_set_id: UUID) -> Response:
    """Make two people of one again, and say what stayed because of later work."""
    try:
        done = merging.undo_merge(current_session(), current_actor(), change_set_id=change_set_id, now=request_now())
    except (changes.NotUndoableError, merging.NotMergeableError) as error:
        flash(translated(error.message), "bad")
        return redirect(url_for(".merges"), 303)
    flash(_("There are two records again."), "ok")
    kept, missing = done.undone.kept_because_later, done.missing_points
    if kept:
        sentence = ngettext(
            "%(n)s value stays as somebody changed it later.",
            "%(n)s values stay as somebody changed them later.",
            kept,
            n=number(kept),
        )
        flash(sentence, "info")
    if missing:
        sentence = ngettext(
            "%(n)s point was spent meanwhile and could not go back.",
            "%(n)s points were spent meanwhile and could not go back.",
            missing,
            n=number(missing),
        )
        flash(sentence, "wait")
    return redirect(url_for("contact_page.show", contact_id=done.kept_id), 303)
