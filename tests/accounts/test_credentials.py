"""Hashes and secrets."""

import pytest

from crm.accounts.credentials import Passwords, digest, hint, new_secret
from crm.errors import InvalidInputError


@pytest.fixture
def passwords():
    return Passwords("test")


def test_a_password_matches_its_own_hash_only(passwords):
    made = passwords.new("correct horse battery")

    assert made.hashed.startswith("$argon2id$")
    assert passwords.matches("correct horse battery", made.hashed)
    assert not passwords.matches("correct horse batterz", made.hashed)


def test_the_same_letters_typed_on_another_keyboard_match(passwords):
    composed, decomposed = "caffè lungo caldo", "caffe\u0300 lungo caldo"

    assert passwords.matches(decomposed, passwords.new(composed).hashed)


@pytest.mark.parametrize("stored", [None, "", "no hash", "$argon2id$broken"])
def test_nothing_matches_what_is_no_hash(passwords, stored):
    assert not passwords.matches("correct horse battery", stored)


def test_a_weak_password_is_refused_beside_its_field(passwords):
    with pytest.raises(InvalidInputError) as refused:
        passwords.new("1234567890")

    assert list(refused.value.fields) == ["password"]


def test_production_hashes_at_the_recommended_cost():
    made = Passwords("normal").new("correct horse battery")

    assert "$m=65536,t=3,p=4$" in made.hashed
    assert Passwords("test").renewed("correct horse battery", made.hashed) is not None
    assert Passwords("normal").renewed("correct horse battery", made.hashed) is None


def test_secrets_are_long_different_and_kept_as_hashes():
    one, two = new_secret("fd_"), new_secret("fd_")

    assert one != two
    assert one.startswith("fd_")
    assert len(one) >= 46
    assert len(digest(one)) == 64
    assert one not in digest(one)
    assert hint(one) == one[-4:]
