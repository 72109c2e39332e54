"""Owns reading deals, pipelines and stages: what this actor may see, and nothing else."""

from crm.deals.queries.access import DealNotFoundError, alive, deal, visible, zone_of
from crm.deals.queries.board import COLUMN, SHOWN_CLOSED, Column, DealFilter, beside, board, column, list_deals, totals
from crm.deals.queries.cards import DealCard, NextTask, cards
from crm.deals.queries.pipelines import (
    LostReasonNotFoundError,
    PipelineNotFoundError,
    StageNotFoundError,
    deals_in,
    lost_reason,
    lost_reasons,
    pipeline,
    pipelines,
    stage,
    stage_names,
    stages,
)
from crm.deals.queries.single import Person, card, companies_of, deals_of, people_of, search, stays, tasks_of

__all__ = [
    "COLUMN",
    "SHOWN_CLOSED",
    "Column",
    "DealCard",
    "DealFilter",
    "DealNotFoundError",
    "LostReasonNotFoundError",
    "NextTask",
    "Person",
    "PipelineNotFoundError",
    "StageNotFoundError",
    "alive",
    "beside",
    "board",
    "card",
    "cards",
    "column",
    "companies_of",
    "deal",
    "deals_in",
    "deals_of",
    "list_deals",
    "lost_reason",
    "lost_reasons",
    "people_of",
    "pipeline",
    "pipelines",
    "search",
    "stage",
    "stage_names",
    "stages",
    "stays",
    "tasks_of",
    "totals",
    "visible",
    "zone_of",
]
