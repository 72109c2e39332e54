"""Owns who has a conversation open just now, and who is typing: in Valkey, gone by itself, and missed by nobody.

Without Valkey nobody is shown, and pages don't wait for it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import redis

from crm.accounts.rules import Actor
from crm.jobs import connect

#: A page says every few seconds that it is open; who missed this many seconds has left.
GONE_AFTER: Final = 15.0
TYPING_FOR: Final = 8.0
#: How long nobody asks a server that did not answer.
REST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Present:
    """A colleague on the same conversation."""

    user_id: UUID
    is_typing: bool


class Presence:
    """Who is where, for one process; keys hold the workspace, so nobody is seen across it."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url) if url else None
        self._rests_until = 0.0

    def here(self, actor: Actor, *, conversation_id: UUID, is_typing: bool, at: float) -> list[Present]:
        """Say that the actor is here, and learn who else is; `at` are seconds since the epoch.

        The caller has made sure that the actor may see the conversation.
        """
        if self._connection is None or actor.user_id is None or time.monotonic() < self._rests_until:
            return []
        key = f"crm:here:{actor.workspace_id}:{conversation_id}"
        try:
            pipe = self._connection.pipeline(transaction=False)
            pipe.hset(key, str(actor.user_id), f"{at:.3f} {int(is_typing)}")
            pipe.expire(key, int(GONE_AFTER * 2))
            pipe.hgetall(key)
            found: Mapping[bytes, bytes] = pipe.execute()[-1]
        except redis.RedisError:
            self._rests_until = time.monotonic() + REST
            return []
        return _others(found, me=actor.user_id, at=at)


def _others(found: Mapping[bytes, bytes], *, me: UUID, at: float) -> list[Present]:
    others = []
    for who, said in found.items():
        moment, _, typing = said.decode().partition(" ")
        age = at - float(moment)
        user_id = UUID(who.decode())
        if user_id != me and age < GONE_AFTER:
            others.append(Present(user_id, typing == "1" and age < TYPING_FOR))
    return sorted(others, key=lambda one: str(one.user_id))
