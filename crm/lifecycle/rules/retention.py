"""What is kept for how long: the classes of data that have an end, and where they begin."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class DataClass(StrEnum):
    """Data that need not be kept for ever."""

    RAW_MAILS = "raw_mails"
    REFUSED_ROWS = "refused_rows"
    READ_FILES = "read_files"
    CHAT_FILES = "chat_files"
    REMOVED_TEXTS = "removed_texts"
    AUDIT_VALUES = "audit_values"
    CHANGE_VALUES = "change_values"
    INACTIVE_LEADS = "inactive_leads"
    DELETED_PEOPLE = "deleted_people"


#: Days until each goes where a workspace said nothing; None keeps it. Nobody is deleted or erased unless asked for.
DEFAULT_DAYS: Final[dict[DataClass, int | None]] = {
    DataClass.RAW_MAILS: 365,
    DataClass.REFUSED_ROWS: 180,
    DataClass.READ_FILES: 180,
    DataClass.CHAT_FILES: 180,
    DataClass.REMOVED_TEXTS: 90,
    DataClass.AUDIT_VALUES: None,
    DataClass.INACTIVE_LEADS: None,
    DataClass.DELETED_PEOPLE: None,
}
#: For how many days an import, a bulk edit and a merge can be undone.
UNDO_DAYS: Final = 30
#: Classes whose end nobody chooses: what an undo needs is there as long as it can be undone, and no longer.
FIXED_DAYS: Final[dict[DataClass, int]] = {DataClass.CHANGE_VALUES: UNDO_DAYS}
CHOSEN: Final = tuple(kind for kind in DataClass if kind not in FIXED_DAYS)
LEAST_DAYS: Final = 7
MOST_DAYS: Final = 36_500


def cutoff(now: datetime, days: int) -> datetime:
    """What is older than this goes."""
    return now - timedelta(days=days)
