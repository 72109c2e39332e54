"""Rights, limits and passwords as plain decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.rules import (
    COMMON_PASSWORDS,
    RIGHTS,
    SIGN_IN_PER_ACCOUNT,
    Actor,
    Limit,
    block_seconds,
    password_refusal,
    system_actor,
)
from crm.db import new_id
from crm.errors import ForbiddenError


def actor(role, scopes=None):
    return Actor(workspace_id=new_id(), kind=ActorKind.TOKEN, role=role, scopes=scopes)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_role_may_do_exactly_what_the_table_says(role, permission):
    assert actor(role).may(permission) is (permission in RIGHTS[role])


def test_scopes_narrow_a_role_and_never_widen_it():
    narrowed = actor(Role.VIEWER, frozenset({Permission.VIEW_OWN, Permission.ERASE}))

    assert narrowed.may(Permission.VIEW_OWN)
    assert not narrowed.may(Permission.VIEW_ALL)
    assert not narrowed.may(Permission.ERASE)


def test_the_till_only_redeems():
    assert RIGHTS[Role.TILL] == {Permission.REDEEM}


def test_somebody_without_a_role_may_nothing_and_the_system_everything():
    stranger = Actor(workspace_id=new_id(), kind=ActorKind.MEMBER)

    assert not any(stranger.may(permission) for permission in Permission)
    assert all(system_actor(new_id()).may(permission) for permission in Permission)
    with pytest.raises(ForbiddenError):
        stranger.require(Permission.VIEW_OWN)


def test_the_first_tries_are_free_and_then_the_wait_doubles_up_to_a_ceiling():
    waits = [block_seconds(tries, SIGN_IN_PER_ACCOUNT) for tries in range(1, 13)]

    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]


@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(1, 600))
def test_a_wait_never_shrinks_with_more_tries_and_never_passes_the_ceiling(tries, free, first):
    limit = Limit(free=free, first_block=first, longest_block=3600, window=1)

    assert block_seconds(tries, limit) <= block_seconds(tries + 1, limit) <= 3600


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "123456789",
        "aaaaaaaaaaaaaa",
        "ababababab",
        "x" * 201,
        "Password123",
        "giulia@example.com",
        "Giulia Ferri",
    ],
)
def test_passwords_that_somebody_would_try_are_refused(password):
    assert password_refusal(password, about=("giulia@example.com", "Giulia Ferri")) is not None


@pytest.mark.parametrize("password", ["correct horse battery", "perché no, vediamo", "ππππ-αβγδε-2026"])
def test_a_short_sentence_is_a_good_password(password):
    assert password_refusal(password, about=("giulia@example.com", "Giulia Ferri", "")) is None


@pytest.mark.parametrize("password", sorted(COMMON_PASSWORDS))
def test_known_passwords_are_refused_in_any_case(password):
    assert password_refusal(password.upper()) is not None
