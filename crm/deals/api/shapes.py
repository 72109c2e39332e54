"""What the API says about deals, pipelines and stages; amounts in minor units, chances in per cent."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from crm.contacts.inputs import Input, Line
from crm.deals.kinds import DealSort, StageKind, Whose
from crm.deals.services.inputs import Amount, Currency, Day, MoveInput, Name, NewDealInput, Percent, StageInput
from crm.interactions.api.tasks import TaskOut
from crm.web.api import ApiModel, PageQuery


class DealOut(ApiModel):
    id: UUID
    version: int
    title: str
    state: StageKind
    pipeline_id: UUID
    stage_id: UUID
    stage_name: str
    amount_minor: int = Field(description="In minor units of the currency: cents.")
    currency: str
    closes_on: date | None
    closed_at: datetime | None
    created_at: datetime
    probability: int = Field(description="In per cent: its own where it has one, else that of its stage.")
    days: int = Field(description="Calendar days in its stage, in the workspace's zone.")
    is_rotting: bool = Field(description="It stands there for longer than its stage allows.")
    owner_id: UUID | None
    contact_id: UUID | None = Field(description="The main person.")
    company_id: UUID | None


class DealQuery(PageQuery):
    """Which deals a list holds, and in which order."""

    state: StageKind | None = None
    pipeline_id: UUID | None = None
    stage_id: UUID | None = None
    contact_id: UUID | None = None
    company_id: UUID | None = None
    whose: Whose = Whose.TEAM
    closing: bool = Field(False, description="Expected to close in the month now running.")
    rotting: bool = Field(False, description="In their stage for longer than it allows.")
    sort: DealSort = DealSort.CLOSES
    descending: bool = False


class DealCreate(NewDealInput):
    """A new deal."""


class DealPatch(Input):
    """The fields to change; those that are left out stay."""

    title: Annotated[Line, Field(min_length=1)] | None = None
    amount_minor: Amount = 0
    currency: Currency = ""
    closes_on: Day = None
    probability: Percent | None = None
    owner_id: UUID | None = None


class DealMove(MoveInput):
    """The stage to move to; a lost one needs a reason.

    With `after_id` or `before_id` (an open deal of that stage) it stands beside that one, also within its own stage.
    `pipeline_id` is needed to move it to a stage of another pipeline.
    """


class StayOut(ApiModel):
    stage_id: UUID
    since: datetime
    until: datetime | None
    days: int
    user_id: UUID | None


class StaysOut(ApiModel):
    items: list[StayOut]


class DealPersonOut(ApiModel):
    contact_id: UUID
    name: str
    role: str
    is_main: bool


class DealPeopleOut(ApiModel):
    items: list[DealPersonOut]


class DealTasksOut(ApiModel):
    items: list[TaskOut]


class DealPersonPut(Input):
    """Somebody's part in a deal."""

    role: Line = ""
    is_main: bool = False


class PipelineOut(ApiModel):
    id: UUID
    name: str
    archived_at: datetime | None


class PipelinesOut(ApiModel):
    items: list[PipelineOut]


class PipelineCreate(Input):
    """A pipeline with its stages in order, at least one of them open."""

    name: Name
    stages: Annotated[list[StageInput], Field(min_length=1, max_length=30)]


class PipelineQuery(ApiModel):
    """Which pipelines."""

    archived: bool = Field(False, description="Those that were put away instead of those in use.")


class PipelinePatch(Input):
    """What to change of a pipeline."""

    name: Name


class Order(Input):
    """All of them in use, each once, in their new order."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=30)]


class DealStageOut(ApiModel):
    id: UUID
    pipeline_id: UUID
    name: str
    kind: StageKind
    probability: int
    rot_days: int | None


class DealStagesOut(ApiModel):
    items: list[DealStageOut]


class DealStageCreate(StageInput):
    """A new stage."""


class DealStagePut(StageInput):
    """A stage as it shall be."""


class StageRemoval(ApiModel):
    move_to: UUID | None = Field(None, description="The stage that its deals go to.")


class LostReasonOut(ApiModel):
    id: UUID
    name: str


class LostReasonsOut(ApiModel):
    items: list[LostReasonOut]


class LostReasonIn(Input):
    """A reason for which deals are lost."""

    name: Name
