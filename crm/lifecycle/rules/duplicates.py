"""Owns what speaks for two records being one person, and which addresses say nothing about a person."""

from enum import StrEnum
from typing import Final


class Sign(StrEnum):
    """Why two records may be one person, from the surest to the least sure."""

    SAME_ADDRESS = "same_address"
    SAME_PHONE = "same_phone"
    SAME_PLATFORM_ID = "same_platform_id"
    NAME_AND_COMPANY = "name_and_company"
    NAME_AND_DOMAIN = "name_and_domain"


#: Mailboxes of an office: whoever reads them is not one person.
ROLES: Final = frozenset(
    {
        *("info", "office", "ufficio", "sales", "vendite", "commerciale", "amministrazione", "admin", "segreteria"),
        *("contact", "contacts", "contatti", "hello", "ciao", "support", "assistenza", "help", "billing"),
        *("fatture", "fatturazione", "contabilita", "accounting", "hr", "jobs", "lavoro", "marketing", "press"),
        *("stampa", "mail", "posta", "pec", "team", "staff", "shop", "negozio", "ordini", "orders", "noreply"),
        *("no-reply", "newsletter", "webmaster", "postmaster", "reception", "booking", "prenotazioni", "direzione"),
    }
)

#: Providers at which strangers have their mail: the same domain says nothing.
FREE_MAIL: Final = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.it", "hotmail.com", "hotmail.it", "live.com"),
        *("live.it", "msn.com", "yahoo.com", "yahoo.it", "ymail.com", "icloud.com", "me.com", "mac.com", "aol.com"),
        *("libero.it", "virgilio.it", "tiscali.it", "alice.it", "tin.it", "tim.it", "inwind.it", "iol.it", "email.it"),
        *("fastwebnet.it", "aruba.it", "pec.it", "legalmail.it", "postecert.it", "arubapec.it", "gmx.com", "gmx.net"),
        *("gmx.de", "web.de", "proton.me", "protonmail.com", "orange.fr", "free.fr", "laposte.net", "mail.com"),
    }
)

#: How alike two names must be (share of common trigrams, 0 to 1) to count as one with a letter or two off.
ALIKE: Final = 0.5
