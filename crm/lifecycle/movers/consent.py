"""Movers of consents: the strictest of both records holds for the person that remains."""

from typing import Any, Final

from sqlalchemy import select

from crm.consent import merging, queries
from crm.consent.kinds import ConsentPurpose
from crm.consent.models import ConsentState
from crm.consent.rules import State, States
from crm.contacts.kinds import ChangeAction
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair, Stays
from crm.lifecycle.services.changes import RowChange, record_changes


def states_of(pair: Pair) -> tuple[States, States, dict[tuple[ConsentPurpose, str], State]]:
    """What holds for the kept person, for the other one, and for both together."""
    found = queries.states(pair.session, pair.actor, contact_ids=[pair.kept_id, pair.other_id])
    kept, other = found[pair.kept_id], found[pair.other_id]
    return kept, other, merging.strictest(kept, other, now=pair.now)


class Consents(Mover):
    """The other record keeps its own state; the kept one's becomes the strictest of both."""

    def figures(self, pair: Pair) -> dict[Effect, int]:
        """Objections that the kept person has not made and has afterwards."""
        kept, _other, both = states_of(pair)
        new = {
            purpose
            for purpose, channel in both
            if merging.objects(both, purpose, channel) and not merging.objects(kept, purpose, channel)
        }
        return {Effect.OPT_OUTS: len(new)}

    def move(self, pair: Pair) -> None:
        """Write what changes for the kept person, with events that name the merge."""
        kept, _other, both = states_of(pair)
        changed = {key: state for key, state in both.items() if kept.get(key) != state}
        if not changed or pair.change_set_id is None:
            return
        before = _rows(pair)
        merging.write_states(
            pair.session,
            pair.actor,
            contact_id=pair.kept_id,
            changed=changed,
            change_set_id=pair.change_set_id,
            now=pair.now,
        )
        after = _rows(pair)
        changes = [
            RowChange(
                table="consent_state",
                row_id=row["id"],
                action=ChangeAction.UPDATE if key in before else ChangeAction.INSERT,
                before=_values(before[key]) if key in before else {},
                after=_values(row),
                contact_id=pair.kept_id,
            )
            for key, row in after.items()
            if key not in before or _values(before[key]) != _values(row)
        ]
        record_changes(pair.session, change_set_id=pair.change_set_id, changes=changes)


def _rows(pair: Pair) -> dict[tuple[str, str], dict[str, Any]]:
    table = ConsentState.__table__
    found = pair.session.execute(select(table).where(table.c.contact_id == pair.kept_id)).mappings()
    return {(row["purpose"], row["channel"]): dict(row) for row in found}


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("action", "basis", "since")}


MOVERS: Final[tuple[Mover, ...]] = (
    Consents(table="consent_state"),
    Stays(table="consent_event", why="append-only; the history of the kept person shows them too"),
)
