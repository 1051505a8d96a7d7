"""As much of GitHub's REST interface as comments need, with the standard library alone.

Every failure is a sentence, and none of them holds the token.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from typing import Any

ATTEMPTS = 3
REASONS = {
    401: "the token is not valid",
    403: "the token may not write here: on pull requests from forks it is read-only by design, "
    "elsewhere the job needs `permissions: pull-requests: write`",
    404: "there is no such pull request, or the token may not see it",
}


class Failed(Exception):
    """GitHub did not do what it was asked to; `passing` if it may the next time."""

    def __init__(self, what: str, *, passing: bool) -> None:
        self.passing = passing
        super().__init__(what)


class GitHub:
    """As much of the REST interface as comments need."""

    def __init__(self, timeout: float, pause: float) -> None:
        self._timeout, self._pause = timeout, pause
        self._token = os.environ.get("GATE_TOKEN", "").strip()
        if not re.fullmatch("[!-~]+", self._token):  # http.client would quote what it cannot send
            raise Failed("the input token is empty, or holds more than a token", passing=False)
        self._root = f"{os.environ['GITHUB_API_URL'].rstrip('/')}/repos/{os.environ['GITHUB_REPOSITORY']}"
        self._open = urllib.request.build_opener(_Stay).open

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """The answer; asked again where that can do no harm: a POST may have been heard and not answered."""
        for attempt in range(1, 1 if method == "POST" else ATTEMPTS):
            try:
                return self._once(method, path, body)
            except Failed as failed:
                if not failed.passing:
                    raise
                time.sleep(self._pause * attempt)
        return self._once(method, path, body)

    def _once(self, method: str, path: str, body: str | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/vnd.github+json"}
        data = None if body is None else json.dumps({"body": body}).encode()
        try:
            request = urllib.request.Request(self._root + path, data, headers, method=method)
            with self._open(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            limited = error.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in error.headers
            why = "its rate limit is reached" if limited else REASONS.get(error.code, error.reason)
            said = f"GitHub answered {method} with {error.code}: {why}"
            raise Failed(said, passing=error.code >= 500) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}".replace(self._token, "***")
            said = f"GitHub gave no usable answer to {method} within {self._timeout:g} s ({why})"
            raise Failed(said, passing=True) from None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the token would go along."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""
