"""A house with an e-mail account, ready for campaigns."""

import pytest
from factories import outreach

from crm.outreach.models import SenderAccount


@pytest.fixture
def account(session, actor) -> SenderAccount:
    return outreach.account(session, actor)
