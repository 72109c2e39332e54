"""How a text is written so that no spreadsheet takes it for a formula (CWE-1236), and how it is read back."""

import re
from typing import Final

#: A cell that begins with one of these is a formula to a spreadsheet.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
#: A text of ours that begins so carries one apostrophe more than it had.
_MARKED: Final = re.compile(r"'+[=+\-@\t\r]")


def safe(cell: str) -> str:
    """`cell` with an apostrophe in front where a spreadsheet would run it; phone numbers stay as they are."""
    if not cell.startswith((*FORMULA_STARTS, "'")):
        return cell
    plain_number = cell[:1] in "+-" and cell[1:].replace(" ", "").isdigit()
    return f"'{cell}" if (cell.startswith(FORMULA_STARTS) and not plain_number) or _MARKED.match(cell) else cell


def plain(cell: str) -> str:
    """The text that `safe` wrote."""
    return cell[1:] if _MARKED.match(cell) else cell
