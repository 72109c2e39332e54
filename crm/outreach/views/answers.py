"""How fast people have their answers: the page of the figures."""

from datetime import timedelta

from babel.dates import format_timedelta
from flask import render_template

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.outreach import queries
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import CHANNELS
from crm.web.formats import day
from crm.web.i18n import _, locale_code
from crm.web.sessions import current_session, request_now


@blueprint.get("/inbox/figures")
@requires(Permission.VIEW_OWN)
def answer_figures() -> str:
    """Median and 90th percentile by channel, colleague and week, by the clock and in office hours."""
    found = queries.answer_figures(current_session(), current_actor(), now=request_now())
    tables = [
        (_("By channel"), _("Channel"), [(str(CHANNELS[key]), speed) for key, speed in found.by_channel.items()]),
        (
            _("By colleague"),
            _("Colleague"),
            [(key or _("nobody by name"), speed) for key, speed in found.by_colleague.items()],
        ),
        (_("By week"), _("Week from"), [(day(key), speed) for key, speed in found.by_week.items()]),
    ]
    return render_template("outreach/answers.html", found=found, tables=tables, spell=_spell)


def _spell(seconds: float) -> str:
    return format_timedelta(timedelta(seconds=seconds), granularity="minute", threshold=1.5, locale=locale_code())
