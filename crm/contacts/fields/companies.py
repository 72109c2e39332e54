"""Owns what rules can ask about the company of a person: the primary one."""

from typing import Final

from crm.contacts.fields.choices import COMPANY_KINDS, load_tags
from crm.contacts.fields.facts import fact
from crm.contacts.models import Company, CompanyTag, Contact
from crm.filters import sources
from crm.filters.catalogue import Field
from crm.filters.schema import Op
from crm.filters.values import FieldType
from crm.web.i18n import lazy as _

_COMPANY = sources.Rows(
    Company.__table__,
    Company.id,
    Company.workspace_id,
    lambda _ask: [Company.deleted_at.is_(None)],
    key=Contact.company_id,
)
_COMPANY_TAGS = sources.Rows(
    CompanyTag.__table__, CompanyTag.company_id, CompanyTag.workspace_id, key=Contact.company_id
)
_COMPANY_GROUP: Final = _("Company")
FIELDS: Final = (
    Field(
        "company",
        FieldType.TEXT,
        _("Company name"),
        _COMPANY_GROUP,
        _("whose company"),
        sources.any_row(_COMPANY, Company.name_norm),
        fact("company"),
        icon="building",
    ),
    Field(
        "company_kind",
        FieldType.CHOICE,
        _("Kind of company"),
        _COMPANY_GROUP,
        _("whose kind of company"),
        sources.any_row(_COMPANY, Company.kind),
        fact("company_kind"),
        COMPANY_KINDS,
        icon="building-store",
    ),
    Field(
        "company_city",
        FieldType.TEXT,
        _("City of the company"),
        _COMPANY_GROUP,
        _("whose company's city"),
        sources.any_row(_COMPANY, Company.city_norm),
        fact("company_city"),
        icon="map-pin",
    ),
    Field(
        "company_staff",
        FieldType.NUMBER,
        _("People in the company"),
        _COMPANY_GROUP,
        _("whose company has %(value)s people"),
        sources.any_row(_COMPANY, Company.staff),
        fact("company_staff"),
        whole=True,
        phrases={
            Op.HAS_VALUE: _("whose company's size is known"),
            Op.NO_VALUE: _("whose company's size is not known"),
        },
        icon="users",
    ),
    Field(
        "company_tag",
        FieldType.MULTI,
        _("Tag of the company"),
        _COMPANY_GROUP,
        _("whose company's tags"),
        sources.any_row(_COMPANY_TAGS, CompanyTag.tag_id),
        fact("company_tags"),
        load_tags,
        phrases={
            Op.ANY_OF: _("whose company has the tag %(value)s"),
            Op.ALL_OF: _("whose company has the tags %(value)s"),
            Op.NONE_OF: _("whose company does not have the tag %(value)s"),
            Op.HAS_VALUE: _("whose company has a tag"),
            Op.NO_VALUE: _("whose company has no tag"),
        },
        icon="tags",
    ),
)
