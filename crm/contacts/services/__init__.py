"""Owns every change to contacts, companies, handles, facts and tags."""

from crm.contacts.custom_inputs import CustomChoiceInput, CustomFieldInput
from crm.contacts.inputs import CompanyInput, ContactInput, HandleInput, parsed
from crm.contacts.services.access import set_access
from crm.contacts.services.affiliations import link, set_company, unlink
from crm.contacts.services.companies import (
    CompanyExistsError,
    create_company,
    find_or_create_company,
    update_company,
)
from crm.contacts.services.conflicts import EditConflictError, VersionMismatchError
from crm.contacts.services.custom_fields import (
    TypeHasValuesError,
    archive_custom_field,
    create_custom_field,
    move_custom_choice,
    move_custom_field,
    update_custom_field,
)
from crm.contacts.services.custom_values import check_required, read_values, set_custom_values
from crm.contacts.services.domains import set_company_domains, suggest_employer
from crm.contacts.services.facts import (
    SuggestionNotFoundError,
    UnknownFieldError,
    decide_suggestion,
    record_fact,
    suggest_fact,
)
from crm.contacts.services.handles import (
    HandleTakenError,
    add_handle,
    dismiss_stranger,
    link_handle,
    make_primary,
    normalised,
    remove_handle,
    rename_handle,
    set_handle_state,
)
from crm.contacts.services.identities import resolve_identity
from crm.contacts.services.limits import ProcessingLimitedError, lift_limit, limit_processing, refuse_limited
from crm.contacts.services.owners import check_owner
from crm.contacts.services.people import create
from crm.contacts.services.people import update_contact as update
from crm.contacts.services.places import add_affiliation, change_affiliation, end_affiliation, remove_affiliation
from crm.contacts.services.saved_views import (
    ViewInput,
    change_view,
    create_view,
    delete_view,
    set_default_view,
)
from crm.contacts.services.tags import (
    TagNotFoundError,
    delete_tag,
    rename_tag,
    set_company_tags,
    set_tags,
    tag,
    tag_named,
)
from crm.contacts.services.trash import (
    RestoredCompany,
    RestoredContact,
    delete,
    delete_company,
    restore,
    restore_company,
)
from crm.contacts.values import bare_domain

__all__ = [
    "CompanyExistsError",
    "CompanyInput",
    "ContactInput",
    "CustomChoiceInput",
    "CustomFieldInput",
    "EditConflictError",
    "HandleInput",
    "HandleTakenError",
    "ProcessingLimitedError",
    "RestoredCompany",
    "RestoredContact",
    "SuggestionNotFoundError",
    "TagNotFoundError",
    "TypeHasValuesError",
    "UnknownFieldError",
    "VersionMismatchError",
    "ViewInput",
    "add_affiliation",
    "add_handle",
    "archive_custom_field",
    "bare_domain",
    "change_affiliation",
    "change_view",
    "check_owner",
    "check_required",
    "create",
    "create_company",
    "create_custom_field",
    "create_view",
    "decide_suggestion",
    "delete",
    "delete_company",
    "delete_tag",
    "delete_view",
    "dismiss_stranger",
    "end_affiliation",
    "find_or_create_company",
    "lift_limit",
    "limit_processing",
    "link",
    "link_handle",
    "make_primary",
    "move_custom_choice",
    "move_custom_field",
    "normalised",
    "parsed",
    "read_values",
    "record_fact",
    "refuse_limited",
    "remove_affiliation",
    "remove_handle",
    "rename_handle",
    "rename_tag",
    "resolve_identity",
    "restore",
    "restore_company",
    "set_access",
    "set_company",
    "set_company_domains",
    "set_company_tags",
    "set_custom_values",
    "set_default_view",
    "set_handle_state",
    "set_tags",
    "suggest_employer",
    "suggest_fact",
    "tag",
    "tag_named",
    "unlink",
    "update",
    "update_company",
    "update_custom_field",
]
