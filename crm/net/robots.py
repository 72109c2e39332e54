"""What a site's robots.txt allows our user agent (RFC 9309)."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

MAX_ROBOTS_BYTES = 512_000
_MAX_RULES = 2_000


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of the group that applies to us: (allowed, path pattern) in no particular order."""

    rules: tuple[tuple[bool, str], ...]

    def allows(self, path: str) -> bool:
        """Whether `path` (with query) may be fetched: the longest matching pattern decides, a tie allows."""
        if path == "/robots.txt":
            return True
        wanted = _canonical(path)
        best, allowed = -1, True
        for allow, pattern in self.rules:
            if len(pattern) >= best and _matches(pattern, wanted) and (len(pattern) > best or allow):
                best, allowed = len(pattern), allow
        return allowed


def parse_robots(text: str, *, product: str) -> Robots:
    """Read robots.txt and keep the rules of `product`'s own groups, or else those of `*`."""
    own: list[tuple[bool, str]] = []
    anyone: list[tuple[bool, str]] = []
    is_own = has_own = is_anyone = reading_agents = False
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not reading_agents:
                is_own = is_anyone = False
            reading_agents = True
            is_own = is_own or value.lower() == product.lower()
            has_own = has_own or is_own
            is_anyone = is_anyone or value == "*"
        elif key in {"allow", "disallow"}:
            reading_agents = False
            # An empty Disallow says nothing; a pattern that does not begin like a path never matches.
            if value.startswith(("/", "*")):
                rule = (key == "allow", _canonical(value))
                if is_own and len(own) < _MAX_RULES:
                    own.append(rule)
                if is_anyone and len(anyone) < _MAX_RULES:
                    anyone.append(rule)
    return Robots(tuple(own if has_own else anyone))


def _canonical(path: str) -> str:
    return quote(unquote(path), safe="/?&=*$:;,+@!'()~-._")


def _matches(pattern: str, path: str) -> bool:
    """Match `*` (anything) and a final `$` (the end) in linear steps; no regular expression, so no blow-up."""
    anchored = pattern.endswith("$")
    pieces = (pattern[:-1] if anchored else pattern).split("*")
    if not path.startswith(pieces[0]):
        return False
    at = len(pieces[0])
    if len(pieces) == 1:
        return not anchored or at == len(path)
    for piece in pieces[1:-1]:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    last = pieces[-1]
    if anchored:
        return len(path) - len(last) >= at and path.endswith(last)
    return path.find(last, at) >= 0
