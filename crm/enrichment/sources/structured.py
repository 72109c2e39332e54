"""JSON-LD in a page: the organisation it describes, flattened, whatever shape its author chose."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_MAX_BLOCK: Final = 200_000
_MAX_DEPTH: Final = 12
_MAX_NODES: Final = 2_000
#: schema.org types that are an organisation; the many kinds of LocalBusiness are told by their address.
_TYPES: Final = {
    "organization",
    "corporation",
    "localbusiness",
    "professionalservice",
    "store",
    "onlinestore",
    "onlinebusiness",
    "restaurant",
    "hotel",
    "ngo",
    "educationalorganization",
    "newsmediaorganization",
}
_TEXTS: Final = (
    "name",
    "legalName",
    "description",
    "telephone",
    "email",
    "vatID",
    "taxID",
    "url",
)


def organizations(blocks: Iterable[str]) -> list[dict[str, Any]]:
    """The organisations in the given script blocks, flat: texts, address parts, `sameAs` list, `logo` address.

    A block that is no JSON, too big or too deep is passed over.
    """
    found: list[dict[str, Any]] = []
    for block in blocks:
        if len(block) > _MAX_BLOCK:
            continue
        try:
            data = json.loads(block)
        except (ValueError, RecursionError):
            continue
        found.extend(_flat(node) for node in _nodes(data) if _is_organization(node))
    return found


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, breadth first, within limits."""
    waiting: list[tuple[Any, int]] = [(data, 0)]
    for count, (value, depth) in enumerate(waiting):
        if count >= _MAX_NODES:
            return
        if isinstance(value, dict):
            yield value
        if depth < _MAX_DEPTH:
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            waiting.extend((item, depth + 1) for item in inner if isinstance(item, dict | list))


def _is_organization(node: dict[str, Any]) -> bool:
    kinds = node.get("@type")
    names = {str(kind).rpartition("/")[2].lower() for kind in (kinds if isinstance(kinds, list) else [kinds])}
    return bool(names & _TYPES) or (bool(node.get("address")) and bool(node.get("telephone")) and "person" not in names)


def _flat(node: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {key: node[key] for key in _TEXTS if isinstance(node.get(key), str)}
    address = _first(node.get("address"))
    if isinstance(address, dict):
        for key in ("streetAddress", "addressLocality", "postalCode"):
            if isinstance(address.get(key), str):
                flat[key] = address[key]
        country = address.get("addressCountry")
        flat["addressCountry"] = country.get("name", "") if isinstance(country, dict) else country
    staff = node.get("numberOfEmployees")
    staff = staff.get("value") if isinstance(staff, dict) else staff
    if re.fullmatch(r"[0-9]{1,7}", str(staff)):
        flat["numberOfEmployees"] = str(int(str(staff)))
    logo = _first(node.get("logo"))
    logo = logo.get("url") if isinstance(logo, dict) else logo
    if isinstance(logo, str):
        flat["logo"] = logo
    same = node.get("sameAs")
    links = same if isinstance(same, list) else [same]
    flat["sameAs"] = [link for link in links[:50] if isinstance(link, str)]
    return flat


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
