"""The words of enrichment in the reader's language: fields, reasons of a failed look."""

from crm.accounts.places import Words
from crm.web.i18n import lazy

#: What the audit log tells of enrichment.
TOLD = {"enrichment.source_changed": Words(lazy("Changed a source of enrichment"), "world")}

FIELDS = {
    "name": lazy("Name"),
    "description": lazy("Description"),
    "phone": lazy("Phone"),
    "street": lazy("Street"),
    "city": lazy("City"),
    "country": lazy("Country"),
    "vat_number": lazy("VAT number"),
    "staff": lazy("Employees"),
}

FAILURES = {
    "robots": lazy("The site asks not to be read by programs (robots.txt)."),
    "forbidden_address": lazy("The site's address is not on the public internet."),
    "port": lazy("Only the usual web ports are read."),
    "scheme": lazy("This is not a web address."),
    "url": lazy("This is not a web address."),
    "dns": lazy("The site's name has no address."),
    "connect": lazy("The site can't be reached."),
    "connect_timeout": lazy("The site can't be reached."),
    "timeout": lazy("The site was too slow."),
    "tls": lazy("The encrypted connection could not be made."),
    "certificate": lazy("The site's certificate is not valid."),
    "insecure_redirect": lazy("The site leads from an encrypted page to one that isn't."),
    "redirects": lazy("The site leads in circles."),
    "too_big": lazy("The page is too big."),
    "encoding": lazy("The page came in a form we don't read."),
    "protocol": lazy("The site doesn't answer as a website should."),
    "http_gone": lazy("There is no page at this address."),
    "http_busy": lazy("The site is busy."),
    "http_refused": lazy("The site refused to answer."),
    "not_a_page": lazy("There is no web page at this address."),
    "unreadable": lazy("The page can't be read."),
}

OTHER_FAILURE = lazy("The site could not be read.")


def failure(code: str) -> str:
    """Why a look failed, as a sentence."""
    return FAILURES.get(code, OTHER_FAILURE)


def field_name(field: str) -> str:
    """What people call a field."""
    return FIELDS.get(field, field)
