"""The company's own website: what its home page says about itself, in its head, its structured data and its links."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import phonenumbers
from selectolax.lexbor import LexborHTMLParser
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError as NumberError
from stdnum.it import iva

from crm.channels.addresses import DEFAULT_REGION, AddressError, channel_of_url, normalise
from crm.channels.base import ChannelKind
from crm.channels.html import MAX_HTML, is_tame
from crm.channels.sentences import N_
from crm.enrichment.kinds import SourceName
from crm.enrichment.sources.base import Finding, Found, FoundHandle, SourceError, Subject
from crm.enrichment.sources.structured import organizations
from crm.net.client import HttpClient, Response
from crm.net.retry_after import pause

_PAGE_TYPES: Final = {"text/html", "application/xhtml+xml"}
_FEED_TYPES: Final = {"application/rss+xml", "application/atom+xml", "application/feed+json"}
_MAX_LINKS: Final = 2_000
_MAX_DESCRIPTION: Final = 1_000
_SHORT: Final = 200
_CHARSET = re.compile(rb"charset=[\"']?([A-Za-z0-9_:.-]{1,40})")
#: Italian sites must show their VAT number on the home page (DPR 633/72, art. 35).
_VAT = re.compile(r"(?:P\.?\s{0,3}IVA|Partita\s{1,3}IVA|VAT)[^0-9]{0,20}(?:IT)?\s{0,3}(\d{11})(?!\d)", re.IGNORECASE)
_NO_PROFILE = re.compile(r"/(?:share|sharer|sharer\.php|intent|dialog|plugins|p|reel|reels|hashtag|search|explore)\b")
_GONE: Final = {404, 410}

#: Confidence of each place a value can stand, 0 to 100.
_STATED, _META, _GUESSED = 90, 80, 60


class Website:
    """Reads the home page; robots.txt is obeyed, nothing but that page is asked for."""

    name = SourceName.WEBSITE
    title = N_("Company website")
    needs = N_("The company's website or domain.")
    says = ("description", "phone", "street", "city", "country", "vat_number", "staff", "name")
    licence = N_("Facts the company publishes about itself; the text stays theirs.")
    pace = timedelta(seconds=1)
    fresh_for = timedelta(days=90)

    def address(self, subject: Subject) -> str | None:
        """The website as typed, with https where no scheme was given, else the domain's home page."""
        text = subject.website.strip() or subject.domain.strip()
        if not text:
            return None
        return text if re.match(r"https?://", text, re.IGNORECASE) else f"https://{text}/"

    def fetch(
        self, client: HttpClient, address: str, *, country: str = "", etag: str = "", last_modified: str = ""
    ) -> Found:
        """Read the page; asks only for what changed since the last look. Raises `NetError` and `SourceError`."""
        headers = {"Accept": "text/html,application/xhtml+xml"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        answer = client.get(address, headers=headers)
        if answer.status == 304:  # noqa: PLR2004 - Not Modified.
            return Found(url=answer.url, etag=etag, last_modified=last_modified, not_modified=True)
        _check(answer)
        return read_page(
            _decoded(answer),
            url=answer.url,
            country=country,
            etag=answer.headers.get("etag", "")[:_SHORT],
            last_modified=answer.headers.get("last-modified", "")[:_SHORT],
        )


def _check(answer: Response) -> None:
    if answer.status in _GONE:
        raise SourceError("http_gone", retry_after=timedelta(days=30))
    if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004 - too many, and the server's own troubles.
        raise SourceError("http_busy", retry_after=_retry_after(answer))
    if answer.status != 200:  # noqa: PLR2004
        raise SourceError("http_refused", retry_after=timedelta(days=7))
    if answer.media_type not in _PAGE_TYPES:
        raise SourceError("not_a_page", retry_after=timedelta(days=30))


def _retry_after(answer: Response) -> timedelta:
    asked = pause(answer.headers)
    return timedelta(hours=6) if asked is None else min(asked, timedelta(days=1))


def _decoded(answer: Response) -> str:
    declared = _CHARSET.search(answer.headers.get("content-type", "").encode("ascii", "ignore"))
    declared = declared or _CHARSET.search(answer.content[:2_000])
    for charset in ("utf-8", declared[1].decode("ascii") if declared else "cp1252"):
        try:
            return answer.content.decode(charset)
        except (UnicodeError, LookupError):
            continue
    return answer.content.decode("cp1252", "replace")


def read_page(html: str, *, url: str, country: str = "", etag: str = "", last_modified: str = "") -> Found:
    """What one page says, `country` being the one that is taken for it where it names none.

    Raises `SourceError` for a page that was made to hurt a parser.
    """
    html = html[:MAX_HTML].replace("\x00", "")
    if not is_tame(html):
        raise SourceError("unreadable", retry_after=timedelta(days=30))
    tree = LexborHTMLParser(html)
    meta = _meta(tree)
    known = organizations([node.text() for node in tree.css('script[type="application/ld+json"]')[:20]])
    organization = next(iter(known), {})
    findings: dict[str, Finding] = {}
    for field, value, confidence in _candidates(tree, meta, organization, country):
        clean = " ".join(str(value).split())[: _MAX_DESCRIPTION if field == "description" else _SHORT]
        if clean and field not in findings:
            findings[field] = Finding(field=field, value=clean, confidence=confidence)
    links = [urljoin(url, link) for link in _links(tree) if len(link) <= _MAX_DESCRIPTION]
    return Found(
        url=url,
        findings=tuple(findings.values()),
        handles=tuple(_handles(links, organization)),
        extras=dict(_extras(tree, meta, organization, url)),
        etag=etag,
        last_modified=last_modified,
    )


def _meta(tree: LexborHTMLParser) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in tree.css("meta[content]")[:300]:
        key = (node.attributes.get("property") or node.attributes.get("name") or "").lower()
        value = node.attributes.get("content") or ""
        if key and value.strip():
            found.setdefault(key, value.strip())
    return found


def _candidates(
    tree: LexborHTMLParser, meta: dict[str, str], organization: dict[str, Any], home: str
) -> Iterator[tuple[str, object, int]]:
    """(field, value, confidence), the surest of each field first."""
    yield "name", organization.get("legalName") or organization.get("name") or "", _STATED
    yield "name", meta.get("og:site_name", ""), _META
    yield "description", organization.get("description") or "", _STATED
    yield "description", meta.get("description", "") or meta.get("og:description", ""), _META
    title = tree.css_first("title")
    yield "description", title.text() if title is not None else "", _GUESSED
    country = _country(organization)
    yield "phone", _phone(str(organization.get("telephone") or ""), country or home), _STATED
    yield "street", organization.get("streetAddress") or "", _STATED
    yield "city", organization.get("addressLocality") or "", _STATED
    yield "country", country, _STATED
    yield "vat_number", _vat(organization), _STATED
    yield "vat_number", _printed_vat(tree), _META
    yield "staff", organization.get("numberOfEmployees") or "", _META


def _country(organization: dict[str, Any]) -> str:
    text = str(organization.get("addressCountry") or "").strip()
    names = {"italia": "IT", "italy": "IT"}
    return names.get(text.lower(), text.upper() if re.fullmatch(r"[A-Za-z]{2}", text) else "")


def _phone(text: str, country: str) -> str:
    """International form; empty for what is no number. A number without prefix is read in the page's own `country`."""
    try:
        number = phonenumbers.parse(text, country or DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _vat(organization: dict[str, Any]) -> str:
    text = str(organization.get("vatID") or organization.get("taxID") or "")
    for check in (iva.validate, eu_vat.validate):
        try:
            return check(text)
        except NumberError:
            continue
    return ""


def _printed_vat(tree: LexborHTMLParser) -> str:
    """The first number in the page's text that is called a VAT number and passes the check."""
    body = tree.body
    text = body.text(separator=" ") if body is not None else ""
    for found in _VAT.finditer(text):
        try:
            return iva.validate(found[1])
        except NumberError:
            continue
    return ""


def _links(tree: LexborHTMLParser) -> Iterator[str]:
    for node in tree.css("a[href], link[rel=me][href]")[:_MAX_LINKS]:
        yield (node.attributes.get("href") or "").strip()


def _handles(links: Iterable[str], organization: dict[str, Any]) -> Iterator[FoundHandle]:
    """One address per channel, those that the structured data names first."""
    seen: set[ChannelKind] = set()
    stated = [str(link) for link in organization.get("sameAs", [])]
    email = str(organization.get("email") or "").removeprefix("mailto:")
    for link in [*([f"mailto:{email}"] if email else []), *stated, *links]:
        recognised = _recognised(link)
        if recognised is not None and recognised.channel not in seen:
            seen.add(recognised.channel)
            yield recognised


def _recognised(link: str) -> FoundHandle | None:
    if link.startswith("mailto:"):
        try:
            address = normalise(ChannelKind.EMAIL, link.removeprefix("mailto:").partition("?")[0])
        except AddressError:
            return None
        return FoundHandle(channel=ChannelKind.EMAIL, address=address.address, address_norm=address.address_norm)
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    # Buttons that share this very page, and single posts, name no profile.
    if re.match(
        r"/(?:share|sharer|sharer\.php|intent|dialog|plugins|p|reel|reels|hashtag|search|explore)\b", parts.path
    ):
        return None
    found = channel_of_url(link)
    if found is None:
        return None
    channel, address = found
    return FoundHandle(channel=channel, address=address.address, address_norm=address.address_norm)


def _extras(
    tree: LexborHTMLParser, meta: dict[str, str], organization: dict[str, Any], url: str
) -> Iterator[tuple[str, str]]:
    """Feeds and the logo, as absolute web addresses."""
    title = tree.css_first("title")
    if title is not None and title.text().strip():
        yield "title", " ".join(title.text().split())[:_SHORT]
    logo = str(organization.get("logo") or meta.get("og:logo") or meta.get("og:image") or "")
    icon = tree.css_first('link[rel~="apple-touch-icon"][href], link[rel~="icon"][href]')
    if not logo and icon is not None:
        logo = icon.attributes.get("href") or ""
    yield from (("logo", address) for address in _web_address(url, logo))
    for node in tree.css('link[rel~="alternate"][type][href]')[:50]:
        if (node.attributes.get("type") or "").lower() in _FEED_TYPES:
            yield from (("feed", address) for address in _web_address(url, node.attributes.get("href") or ""))
            return


def _web_address(base: str, link: str) -> Iterator[str]:
    if not link or len(link) > _MAX_DESCRIPTION:
        return
    try:
        absolute = urljoin(base, link)
        if urlsplit(absolute).scheme in {"http", "https"}:
            yield absolute
    except ValueError:
        return
