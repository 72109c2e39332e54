"""Movers of what belongs to people themselves: addresses, places in companies, links, tags, provenance."""

from typing import Final

from crm.contacts.custom_rules import PREFIX
from crm.contacts.rules import CONTACT_FIELDS
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers.base import Mover, Pair, Stays


class Addresses(Mover):
    """Every address goes over, retired ones as history; the kept person's primary ones stay so."""

    def move(self, pair: Pair) -> None:
        """One primary address for each channel: the kept person's, but for the e-mail when the other's was chosen."""
        primary = (
            "x.is_primary and x.deleted_at is null and x.contact_id = {0} and exists (select 1 from handle o"
            " where o.workspace_id = :workspace and o.contact_id = {1} and o.channel = x.channel and o.is_primary"
            " and o.deleted_at is null)"
        )
        if "email" in pair.taken:
            where = primary.format(":kept", ":other")
            pair.change("handle", {"is_primary": "false"}, f"{where} and x.channel = 'email'")
        pair.change("handle", {"is_primary": "false"}, primary.format(":other", ":kept"))
        pair.repoint(self.table)


class Places(Mover):
    """Places in companies go over; the same one twice is one, and one of them is the primary one."""

    def move(self, pair: Pair) -> None:
        """The primary place is the one whose company the kept person has afterwards."""
        primary = "x.is_primary and x.ended_on is null and x.contact_id ="
        if "company_id" in pair.taken:
            pair.change("affiliation", {"is_primary": "false"}, f"{primary} :kept")
        else:
            pair.change("affiliation", {"is_primary": "false"}, f"{primary} :other")
        # Of two current rows for one company the one with more to say stays.
        both = (
            "from affiliation o join affiliation k on k.workspace_id = o.workspace_id and k.company_id = o.company_id"
            " where o.workspace_id = :workspace and o.contact_id = :other and k.contact_id = :kept"
            " and o.ended_on is null and k.ended_on is null"
        )
        pair.drop("affiliation", f"x.id in (select k.id {both} and o.is_primary and not k.is_primary)")
        pair.drop("affiliation", f"x.id in (select o.id {both} and (o.role = '' or o.role = k.role))")
        pair.repoint(self.table)


class Links(Mover):
    """Links go over at both ends; one that would lead to oneself, or be there twice, goes."""

    def move(self, pair: Pair) -> None:
        """First what can't go over, then each end."""
        pair.drop(
            "contact_link",
            "x.contact_id in (:kept, :other) and x.other_id in (:kept, :other)",
        )
        for mine, theirs in (("contact_id", "other_id"), ("other_id", "contact_id")):
            pair.drop(
                "contact_link",
                f"x.{mine} = :other and exists (select 1 from contact_link k where k.workspace_id = :workspace"  # noqa: S608 - own names
                f" and k.{mine} = :kept and k.{theirs} = x.{theirs} and k.kind = x.kind)",
            )
            pair.repoint("contact_link", mine)


class NotTheSame(Mover):
    """Whom the other record is not the same as, the kept person is not either."""

    def move(self, pair: Pair) -> None:
        """First what would speak of oneself or be there twice, then each end."""
        pair.drop("not_same", "x.contact_id in (:kept, :other) and x.other_id in (:kept, :other)")
        for mine, theirs in (("contact_id", "other_id"), ("other_id", "contact_id")):
            pair.drop(
                "not_same",
                f"x.{mine} = :other and exists (select 1 from not_same k where k.workspace_id = :workspace"  # noqa: S608 - own names
                f" and k.{mine} = :kept and k.{theirs} = x.{theirs})",
            )
            pair.repoint("not_same", mine)


class Provenance(Mover):
    """Where values came from goes over; what the kept person does not take over is history from then on."""

    def move(self, pair: Pair) -> None:
        """Settle which facts are current and which suggestions still ask, then bring them over."""
        taken = sorted(pair.taken)
        pair.change(
            "fact",
            {"state": "'superseded'"},
            "x.contact_id = :kept and x.state = 'current' and x.field = any(cast(:taken as text[]))",
            taken=taken,
        )
        pair.change(
            "fact",
            {"state": "'superseded'"},
            "x.contact_id = :other and x.state = 'current' and not x.field = any(cast(:taken as text[]))"
            # A field of the workspace's own goes over where the kept person has nothing in it.
            " and (x.field = any(cast(:standard as text[])) or exists (select 1 from fact k"
            " where k.workspace_id = :workspace and k.contact_id = :kept and k.field = x.field"
            " and k.state = 'current'))",
            taken=taken,
            standard=list(CONTACT_FIELDS),
        )
        # Asked about already, or the value that is there now.
        pair.change(
            "fact",
            {"state": "'superseded'"},
            "x.contact_id = :other and x.state = 'suggested' and exists (select 1 from fact k"
            " where k.workspace_id = :workspace and k.contact_id = :kept and k.field = x.field and k.value = x.value"
            " and k.state <> 'superseded')",
        )
        pair.repoint(self.table)


class OwnValues(Mover):
    """Values of the workspace's own fields go over; of two the chosen one stays, all of its choices together."""

    def move(self, pair: Pair) -> None:
        """First what the other's chosen values replace, then as any other rows."""
        pair.drop(
            "custom_value",
            "x.contact_id = :kept and x.field_id in (select f.id from custom_field f"
            " where f.workspace_id = :workspace and f.subject = 'contact' and f.key = any(cast(:chosen as text[])))",
            chosen=[name.removeprefix(PREFIX) for name in sorted(pair.taken) if name.startswith(PREFIX)],
        )
        super().move(pair)


class Limits(Mover):
    """Limits on processing go over: the strictest wins, so the kept person is limited when either was."""

    def back(self, pair: Pair) -> None:
        """Each is limited as long as one of their own limits stands, whatever was lifted meanwhile."""
        pair.run(
            "update contact c set limited_at = (select min(l.since) from processing_limit l"
            " where l.workspace_id = :workspace and l.contact_id = c.id and l.lifted_at is null)"
            " where c.workspace_id = :workspace and c.id in (:kept, :other)"
        )


MOVERS: Final[tuple[Mover, ...]] = (
    Addresses(table="handle", counts={Effect.ADDRESSES: "x.deleted_at is null"}),
    Places(table="affiliation", counts={Effect.COMPANIES: "x.ended_on is null"}),
    Links(table="contact_link", columns=("contact_id", "other_id"), counts={Effect.LINKS: ""}),
    Mover(table="contact_tag", same_by=("tag_id",), counts={Effect.TAGS: ""}),
    NotTheSame(
        table="not_same", columns=("contact_id", "other_id"), untold="only the search for duplicates looks at it"
    ),
    Provenance(
        table="fact", counts={Effect.FACTS: "x.state <> 'suggested'", Effect.SUGGESTIONS: "x.state = 'suggested'"}
    ),
    OwnValues(table="custom_value", same_by=("field_id",), counts={Effect.FIELDS: ""}),
    Mover(table="custom_value", columns=("ref_id",), counts={Effect.NAMED_IN: ""}),
    Limits(table="processing_limit", counts={Effect.LIMITS: "x.lifted_at is null"}),
    Mover(table="contact_access", same_by=("user_id",), counts={Effect.ACCESS: ""}),
    # Who went up in the other one before: their links lead on to the kept person at once.
    Mover(table="contact", columns=("merged_into_id",), counts={Effect.EARLIER: ""}),
    Stays(table="change", why="whose values they are does not change, so that erasing that person finds them"),
)
