"""Owns the table of the further domains of companies."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from crm.db import Attached, Base, reference, tenant_args


class CompanyDomain(Attached, Base):
    """A further domain of a company, beside its main one; living companies share none."""

    __tablename__ = "company_domain"

    company_id: Mapped[UUID]
    domain: Mapped[str]

    __table_args__ = tenant_args(
        reference("company", "company_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "company_id", "domain"),
        Index("ix_company_domain_domain", "workspace_id", "domain"),
        referred=False,
    )
