"""The wizard of the first run: owner and workspace, then a way to send, then people."""

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import places
from crm.accounts.forms import FirstRunForm
from crm.accounts.guards import current_actor, enter, public, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import Step
from crm.accounts.security import passwords, sign_in
from crm.accounts.services import workspaces
from crm.accounts.services.workspaces import AlreadySetUpError, FirstRun
from crm.accounts.views.blueprint import blueprint
from crm.errors import AppError
from crm.web.i18n import _, locale_code
from crm.web.sessions import current_session, request_now


def steps() -> list[dict[str, str]]:
    """The three steps, as the stepper reads them."""
    return [{"label": _("You and your firm")}, {"label": _("How you send")}, {"label": _("Your people")}]


@blueprint.route("/setup", methods=["GET", "POST"])
@public
def setup() -> ResponseReturnValue:
    """Create the owner and the workspace, while there is no user at all."""
    if not workspaces.is_first_run(current_session()):
        return redirect(url_for("security.login"))
    form = FirstRunForm(locale=locale_code(), time_zone="Europe/Rome")
    if form.validate_on_submit():
        try:
            owner, workspace = workspaces.first_run(current_session(), first=_first(form), now=request_now())
        except AlreadySetUpError:
            return redirect(url_for("security.login"))
        except AppError as error:
            form.absorb(error)
        else:
            sign_in(owner)
            enter(owner, workspace.id)
            return redirect(url_for("accounts.setup_sender"), code=303)
    status = 422 if form.errors else 200
    return render_template("accounts/setup.html", form=form, steps=steps()), status


@blueprint.get("/setup/sender")
@requires(Permission.MANAGE_WORKSPACE)
def setup_sender() -> ResponseReturnValue:
    """Offer the ways to send: an own account, or the sandbox."""
    return render_template(
        "accounts/setup_step.html",
        steps=steps(),
        current=2,
        title=_("How do you want to send?"),
        text=_("Begin with the sandbox to try everything without a single real message, or connect your mailbox."),
        choices=places.choices(Step.SENDER),
        next_url=url_for("accounts.setup_people"),
    )


@blueprint.get("/setup/people")
@requires(Permission.MANAGE_WORKSPACE)
def setup_people() -> ResponseReturnValue:
    """Offer the ways to fill the workspace: a list of one's own, or the demo."""
    return render_template(
        "accounts/setup_step.html",
        steps=steps(),
        current=3,
        title=_("Whom do you keep in touch with?"),
        text=_("Bring the list you have, or look around with invented people first."),
        choices=places.choices(Step.PEOPLE),
        next_url=None,
    )


@blueprint.post("/setup/finish")
@requires(Permission.MANAGE_WORKSPACE)
def setup_finish() -> ResponseReturnValue:
    """Close the wizard."""
    workspaces.finish_set_up(current_session(), current_actor(), now=request_now())
    return redirect("/", code=303)


@blueprint.before_app_request
def _lead_to_the_wizard() -> ResponseReturnValue | None:
    """A fresh installation greets with the wizard in place of a sign-in that nobody can pass."""
    if request.endpoint == "security.login" and workspaces.is_first_run(current_session()):
        return redirect(url_for("accounts.setup"), code=303)
    return None


def _first(form: FirstRunForm) -> FirstRun:
    return FirstRun(
        email=str(form.email.data),
        name=str(form.name.data),
        password=passwords().new(
            str(form.password.data), about=(str(form.email.data), str(form.name.data), str(form.workspace_name.data))
        ),
        workspace_name=str(form.workspace_name.data),
        locale=form.locale.data,
        time_zone=form.time_zone.data,
        country=form.country.data,
    )
