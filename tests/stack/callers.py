"""Who calls at a running house: a program with a token, and a browser without scripts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from stack.running import Stack


class Api:
    """The API behind a token."""

    def __init__(self, address: str, token: str) -> None:
        self.client = httpx.Client(
            base_url=f"{address}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def get(self, path: str, **params: object) -> dict:
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, json: object = None, *, status: int = 200, **options) -> dict:
        answer = self.client.post(path, json={} if json is None and not options.get("files") else json, **options)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()


class Browser:
    """A signed-in browser that sends forms as their pages give them."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, path: str, fields: dict[str, str], *, of: str) -> httpx.Response:
        """Send a form of the page at `of`, with its token."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get(of).text)
        assert token, of
        answer = self.client.post(path, data={"csrf_token": token[1], **fields})
        assert answer.status_code == 200, answer.text
        return answer


@contextmanager
def browsing(stack: Stack) -> Iterator[Browser]:
    """A browser in which the demo's owner is signed in."""
    with httpx.Client(base_url=stack.address, follow_redirects=True, timeout=30) as client:
        browser = Browser(client)
        browser.post("/sign-in", {"email": stack.email, "password": stack.password}, of="/sign-in")
        yield browser
