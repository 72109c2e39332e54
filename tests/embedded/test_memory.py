import pytest

from crm.embedded.memory import memory_settings


@pytest.mark.parametrize(
    ("megabytes", "kept", "expected"),
    [(512, "128MB", "256MB"), (4_096, "512MB", "2048MB"), (65_536, "2048MB", "32768MB"), (64, "128MB", "128MB")],
)
def test_the_server_keeps_an_eighth_of_the_memory_within_bounds(megabytes, kept, expected):
    assert memory_settings(megabytes=megabytes) == {"shared_buffers": kept, "effective_cache_size": expected}


def test_this_machine_has_an_answer():
    assert memory_settings()["shared_buffers"].endswith("MB")
