"""How much of the machine's memory PostgreSQL keeps its data in."""

import os
from pathlib import Path
from typing import Final

#: The limit of the container that we run in, where there is one (control groups, version 2).
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
#: Megabytes, and the share of all memory: an eighth, since everything else runs on the same machine.
_LEAST, _MOST, _SHARE = 128, 2048, 8


def memory_settings(*, megabytes: int | None = None) -> dict[str, str]:
    """What PostgreSQL keeps for itself of so much memory (this machine's), and expects in the system's own cache."""
    known = _megabytes() if megabytes is None else megabytes
    kept = min(max(known // _SHARE, _LEAST), _MOST)
    return {"shared_buffers": f"{kept}MB", "effective_cache_size": f"{max(known // 2, _LEAST)}MB"}


def _megabytes() -> int:
    all_of_it = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _LIMIT.read_text(encoding="ascii").strip() if _LIMIT.is_file() else ""
    return min(all_of_it, int(limit) if limit.isdigit() else all_of_it) // 2**20
