"""Owns the words of enrichment: the sources, the life of a run, and what a person can say to a suggestion."""

from enum import StrEnum


class SourceName(StrEnum):
    """One file in `sources` each."""

    WEBSITE = "website"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Choice(StrEnum):
    """What to do with a suggested value; `ALWAYS` also lets this source replace the field from now on."""

    ACCEPT = "accept"
    REJECT = "reject"
    ALWAYS = "always"
