"""REST: how long data is kept, what would go tonight, and what the last nights took."""

from datetime import date, datetime

from pydantic import Field
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.lifecycle.api.blueprint import blueprint
from crm.lifecycle.queries import erasures
from crm.lifecycle.rules.retention import FIXED_DAYS, LEAST_DAYS, MOST_DAYS, DataClass
from crm.lifecycle.services import retaining
from crm.web.api import ApiModel, answer, operation, read_json
from crm.web.sessions import current_session, request_now


class RetentionRuleOut(ApiModel):
    data_class: DataClass
    days: int | None = Field(description="Days until it goes; null keeps it.")
    is_fixed: bool = Field(description="Nobody chooses these days.")
    due: int = Field(description="How much would go tonight.")
    oldest: datetime | None = Field(description="Since when the oldest of that is there.")
    people: list[str] = Field(description="A few names, where it is people that would go.")


class NightOut(ApiModel):
    day: date
    counts: dict[str, int] = Field(description="How much of each class went.")
    done_at: datetime | None


class RetentionOut(ApiModel):
    rules: list[RetentionRuleOut]
    nights: list[NightOut] = Field(description="The last nights, the latest first.")


class RetentionIn(ApiModel):
    days: dict[DataClass, int | None] = Field(
        description=f"Days for classes, {LEAST_DAYS} to {MOST_DAYS}, or null to keep them; others stay as they are."
    )


def _shown() -> Response:
    session, actor = current_session(), current_actor()
    rules = [
        RetentionRuleOut(
            data_class=line.data_class,
            days=line.days,
            is_fixed=line.data_class in FIXED_DAYS,
            due=line.count,
            oldest=line.oldest,
            people=list(line.people),
        )
        for line in retaining.outlook(session, actor, now=request_now())
    ]
    nights = [NightOut(day=row.day, counts=row.counts, done_at=row.done_at) for row in erasures.nights(session, actor)]
    return answer(RetentionOut(rules=rules, nights=nights))


@blueprint.get("/retention")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="privacy", returns=RetentionOut)
def read_retention() -> Response:
    """How long each kind of data is kept, and what would go tonight: nothing goes by asking."""
    return _shown()


@blueprint.put("/retention")
@requires(Permission.MANAGE_WORKSPACE)
@operation(tag="privacy", body=RetentionIn, returns=RetentionOut)
def choose_retention() -> Response:
    """Say how long kinds of data are kept; nothing goes before the night."""
    retaining.choose(current_session(), current_actor(), days=read_json(RetentionIn).days)
    return _shown()
