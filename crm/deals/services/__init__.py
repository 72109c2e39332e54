"""Owns changing deals, pipelines and stages."""

from crm.deals.services.deals import FIELDS, DealConflictError, create, delete, restore, text_of, update
from crm.deals.services.inputs import DealInput, MoveInput, NewDealInput, StageInput
from crm.deals.services.linking import add_company, add_person, remove_company, remove_person
from crm.deals.services.moving import DealChangedError, move
from crm.deals.services.pipelines import (
    StageInUseError,
    add_reason,
    add_stage,
    archive_pipeline,
    change_stage,
    create_pipeline,
    order_pipelines,
    order_stages,
    remove_reason,
    remove_stage,
    rename_pipeline,
    shift_pipeline,
    shift_stage,
    unarchive_pipeline,
)
from crm.deals.services.placing import NeighbourMovedError
from crm.deals.services.tasking import add_task, keep_next, link_task, unlink_task
from crm.deals.services.telling import SOURCE_KIND

__all__ = [
    "FIELDS",
    "SOURCE_KIND",
    "DealChangedError",
    "DealConflictError",
    "DealInput",
    "MoveInput",
    "NeighbourMovedError",
    "NewDealInput",
    "StageInUseError",
    "StageInput",
    "add_company",
    "add_person",
    "add_reason",
    "add_stage",
    "add_task",
    "archive_pipeline",
    "change_stage",
    "create",
    "create_pipeline",
    "delete",
    "keep_next",
    "link_task",
    "move",
    "order_pipelines",
    "order_stages",
    "remove_company",
    "remove_person",
    "remove_reason",
    "remove_stage",
    "rename_pipeline",
    "restore",
    "shift_pipeline",
    "shift_stage",
    "text_of",
    "unarchive_pipeline",
    "unlink_task",
    "update",
]
