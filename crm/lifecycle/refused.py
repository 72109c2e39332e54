"""Writes refused rows as a CSV that spreadsheets open safely and that can be uploaded again once corrected."""

import csv
import io
from collections.abc import Sequence

from crm.lifecycle.models import Import, RefusedRow
from crm.lifecycle.rules.formulas import safe
from crm.lifecycle.words import reason
from crm.web.i18n import _


def as_csv(row: Import, refused: Sequence[RefusedRow]) -> bytes:
    """The file's own columns, then the row number, the column at fault and the reason; UTF-8 with a byte order mark."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=row.delimiter or ",")
    writer.writerow([*map(safe, row.columns), _("row"), _("column"), _("reason")])
    for entry in refused:
        cells = [*entry.values, *[""] * (len(row.columns) - len(entry.values))]
        writer.writerow([*map(safe, cells), entry.row, safe(entry.column), str(reason(entry.code, entry.told))])
    return target.getvalue().encode("utf-8-sig")
