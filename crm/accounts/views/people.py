"""Who works in the workspace: members, roles, invitations, and the table of rights."""

from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries
from crm.accounts.forms import InviteForm, RoleForm, TeamForm
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission, RecordAccess, Role
from crm.accounts.rules import NARROWED, RIGHTS, sees
from crm.accounts.services import access, memberships
from crm.accounts.views.blueprint import blueprint
from crm.accounts.words import PERMISSIONS, RECORD_ACCESS, ROLE_TEXTS, ROLES
from crm.errors import AppError, ForbiddenError
from crm.settings import Settings
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now


@blueprint.get("/settings/people")
@requires(Permission.VIEW_OWN)
def people() -> ResponseReturnValue:
    """List members, open invitations and the table of rights."""
    return _page(InviteForm())


@blueprint.post("/settings/people/invitations")
@requires(Permission.MANAGE_USERS)
def invite() -> ResponseReturnValue:
    """Invite somebody by a link that is shown once."""
    form = InviteForm()
    if form.validate_on_submit():
        try:
            made, secret = memberships.invite(
                current_session(),
                current_actor(),
                email=str(form.email.data),
                role=Role(form.role.data),
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            settings: Settings = current_app.extensions["crm_settings"]
            link = f"{settings.public_url}{url_for('accounts.invitation', secret=secret)}"
            return _page(InviteForm(formdata=None), link=link, invited=made.email)
    return _page(form)


@blueprint.post("/settings/people/invitations/<uuid:invitation_id>/withdraw")
@requires(Permission.MANAGE_USERS)
def withdraw_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """Make an invitation's link useless."""
    memberships.withdraw(current_session(), current_actor(), invitation_id=invitation_id, now=request_now())
    flash(_("The invitation is withdrawn."), "ok")
    return redirect(url_for("accounts.people"), code=303)


@blueprint.post("/settings/people/<uuid:membership_id>/role")
@requires(Permission.MANAGE_USERS)
def change_role(membership_id: UUID) -> ResponseReturnValue:
    """Give a member another role; their browsers are signed out."""
    form = RoleForm()
    if form.validate_on_submit():
        memberships.set_role(
            current_session(),
            current_actor(),
            membership_id=membership_id,
            role=Role(form.role.data),
            now=request_now(),
        )
        flash(_("The role is changed; they sign in anew."), "ok")
        return redirect(url_for("accounts.people"), code=303)
    return _page(InviteForm(formdata=None), status=422)


@blueprint.post("/settings/people/<uuid:membership_id>/team")
@requires(Permission.MANAGE_USERS)
def change_team(membership_id: UUID) -> ResponseReturnValue:
    """Put a member into a team, or out of it."""
    form = TeamForm()
    if not form.validate_on_submit():
        flash(_("Write a name of up to 60 letters."), "bad")
        return redirect(url_for("accounts.people"), code=303)
    access.set_team(current_session(), current_actor(), membership_id=membership_id, team=form.team.data or "")
    flash(_("The team is changed."), "ok")
    return redirect(url_for("accounts.people"), code=303)


@blueprint.post("/settings/people/record-access")
@requires(Permission.MANAGE_USERS)
def change_record_access() -> ResponseReturnValue:
    """Choose whose people each role sees."""
    given = {role: request.form.get(role.value, "") for role in NARROWED}
    chosen = {role: RecordAccess(word) for role, word in given.items() if word in set(RecordAccess)}
    access.set_record_access(current_session(), current_actor(), chosen=chosen)
    flash(_("Whose people the roles see is changed."), "ok")
    return redirect(url_for("accounts.people"), code=303)


@blueprint.post("/settings/people/<uuid:membership_id>/reset-link")
@requires(Permission.MANAGE_USERS)
def make_reset_link(membership_id: UUID) -> ResponseReturnValue:
    """Make a link by which a member sets a new password, shown once."""
    settings: Settings = current_app.extensions["crm_settings"]
    try:
        made = memberships.reset_link_for(
            current_session(),
            current_actor(),
            membership_id=membership_id,
            public_url=settings.public_url,
            now=request_now(),
        )
    except ForbiddenError as error:
        flash(translated(error.message), "bad")
        return redirect(url_for("accounts.people"), code=303)
    return _page(InviteForm(formdata=None), reset_link=made.url, reset_for=made.email)


@blueprint.post("/settings/people/<uuid:membership_id>/end")
@requires(Permission.MANAGE_USERS)
def end_membership(membership_id: UUID) -> ResponseReturnValue:
    """Take somebody out of the workspace at once."""
    memberships.end(current_session(), current_actor(), membership_id=membership_id, now=request_now())
    flash(_("The membership is over. What the person did stays."), "ok")
    return redirect(url_for("accounts.people"), code=303)


def _page(
    form: InviteForm,
    *,
    link: str | None = None,
    invited: str = "",
    reset_link: str | None = None,
    reset_for: str = "",
    status: int | None = None,
) -> ResponseReturnValue:
    actor, session = current_actor(), current_session()
    may_manage = actor.may(Permission.MANAGE_USERS)
    chosen = queries.workspace(session, actor).record_access
    page = render_template(
        "settings/people.html",
        form=form,
        link=link,
        invited=invited,
        reset_link=reset_link,
        reset_for=reset_for,
        may_manage=may_manage,
        members=queries.members(session, actor),
        record_access=[(role, ROLES[role], sees(role, chosen)) for role in NARROWED],
        reaches=RECORD_ACCESS,
        invitations=queries.open_invitations(session, actor, now=request_now()) if may_manage else [],
        roles=[(role, ROLES[role], ROLE_TEXTS[role]) for role in Role],
        role_names={role.value: ROLES[role] for role in Role},
        rights=[(PERMISSIONS[right], [right in RIGHTS[role] for role in Role]) for right in Permission],
        me=actor.user_id,
        may_owner=actor.role is Role.OWNER,
    )
    return page, status or (422 if request.method == "POST" and form.errors else 200)
