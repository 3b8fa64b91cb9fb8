"""The few calls of Label Studio's HTTP API that a campaign needs.

The token is read from the environment when a call is made. It is not part of any value, message or exception, and it
is sent to the given address alone: redirects, proxies and `.netrc` are not followed.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from labelbench_ray.console.redaction import redacted
from labelbench_ray.errors import UserError

TOKEN: Final = "LABEL_STUDIO_API_KEY"
"""The environment variable that holds the token."""
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 120.0
"""How long the server may be silent: an import of a thousand tasks takes seconds, a large export more."""
RETRIES: Final = Retry(
    total=3, connect=0, read=1, redirect=0, status=3, backoff_factor=0.5, allowed_methods={"GET"},
    status_forcelist={429, 502, 503, 504}, raise_on_status=False,
)  # fmt: skip
"""Reading again changes nothing; writing again would make every task twice."""
PAGE: Final = 500
"""Tasks of one page of a listing."""
MOST_WORDS: Final = 300
"""Characters of a server's own words that an error quotes."""
CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
JWT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")

Json = dict[str, Any]


class ServerError(UserError):
    """Label Studio cannot be reached, refuses a call, or answers something else than expected."""


class _Silent(AuthBase):
    """Sets the header itself: without an `auth`, requests takes a password from `.netrc`."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


@dataclass(slots=True)
class Server:
    """A Label Studio server."""

    url: str
    """Its address, as people open it in a browser."""
    seconds: float = ANSWER_SECONDS
    """How long it may be silent."""
    _session: requests.Session = field(default_factory=requests.Session, init=False, repr=False, compare=False)
    _access: str | None = field(default=None, init=False, repr=False, compare=False)
    """The short-lived token that a personal token was exchanged for."""

    def __post_init__(self) -> None:
        """Raises ServerError for what is not the address of a server."""
        self.url = checked_url(self.url)
        self._session.trust_env = False
        self._session.verify = next((os.environ[name] for name in CERTIFICATES if os.environ.get(name)), True)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=RETRIES))

    def projects(self) -> Iterator[Json]:
        """Every project that the token's user may see."""
        yield from self._pages("/api/projects/", "results", {})

    def project(self, number: int) -> Json:
        """One project."""
        return _object(self._call("GET", f"/api/projects/{number}/"), "a project")

    def create_project(self, settings: Mapping[str, Any]) -> Json:
        """Make a project."""
        return _object(self._call("POST", "/api/projects/", json=dict(settings)), "a project")

    def change_project(self, number: int, settings: Mapping[str, Any]) -> Json:
        """Change settings of a project."""
        return _object(self._call("PATCH", f"/api/projects/{number}/", json=dict(settings)), "a project")

    def tasks(self, project: int, query: str = "") -> Iterator[Json]:
        """The tasks of a project with their annotations; `query`: a filter, as JSON."""
        asked = {"project": project, "fields": "all", **({"query": query} if query else {})}
        yield from self._pages("/api/tasks/", "tasks", asked)

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> None:
        """Add tasks. There is no upsert: the same tasks sent twice are there twice."""
        self._call("POST", f"/api/projects/{project}/import", json=list(tasks))

    def export(self, project: int) -> bytes:
        """All tasks with all annotations, as the JSON of the menu Export; tasks without annotations, too."""
        asked = {"exportType": "JSON", "download_all_tasks": "true"}
        return self._call("GET", f"/api/projects/{project}/export", params=asked).content

    def local_storages(self, project: int) -> list[str]:
        """The folders of the server's machine whose files the project may show."""
        found = _json(self._call("GET", "/api/storages/localfiles", params={"project": project}))
        return [str(_object(each, "a storage").get("path")) for each in _list(found, "storages")]

    def add_local_storage(self, project: int, folder: str) -> None:
        """Let the project show files of a folder of the server's machine."""
        settings = {"project": project, "path": folder, "use_blob_urls": True, "title": "labelbench"}
        self._call("POST", "/api/storages/localfiles", json=settings)

    def shows(self, path: str) -> bool:
        """Whether the server sends a file that a task would show."""
        return self._send("GET", path, stream=True).ok

    def _pages(self, path: str, key: str, asked: Mapping[str, Any]) -> Iterator[Json]:
        """Each item of a listing that comes in pages."""
        number, seen = 1, 0
        while True:
            params = {**asked, "page": number, "page_size": PAGE}
            page = _json(self._call("GET", path, params=params))
            items = _list(_object(page, "a page").get(key), key)
            yield from (_object(item, key) for item in items)
            seen += len(items)
            total = page.get("total", page.get("count", 0))
            if not items or not isinstance(total, int) or seen >= total:
                return
            number += 1

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:  # noqa: ANN401  of requests
        """Send a request; raises ServerError unless the server carried it out."""
        response = self._send(method, path, **options)
        if not response.ok:
            raise ServerError(self._refusal(method, path, response))
        return response

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:  # noqa: ANN401  of requests
        response = self._request(method, path, self._authorization(), **options)
        if response.status_code == 401 and self._access is not None:  # it lives for minutes
            self._access = None
            response = self._request(method, path, self._authorization(), **options)
        if 300 <= response.status_code < 400:
            raise ServerError(_redirected(self.url, response.headers.get("Location", "")))
        return response

    def _authorization(self) -> str:
        token = token_of(os.environ)
        if not JWT.fullmatch(token):
            return f"Token {token}"
        if self._access is None:
            path = "/api/token/refresh"
            response = self._request("POST", path, None, json={"refresh": token})
            if not response.ok:
                raise ServerError(self._refusal("POST", path, response))
            self._access = _object(_json(response), "a token").get("access")
            if not isinstance(self._access, str):
                raise ServerError(f"{self.url}: gave no access token for {TOKEN}; make a new personal token there")
        return f"Bearer {self._access}"

    def _request(
        self,
        method: str,
        path: str,
        authorization: str | None,
        **options: Any,  # noqa: ANN401  of requests
    ) -> requests.Response:
        failed = ""
        try:
            return self._session.request(
                method,
                self.url + path,
                auth=_Silent(authorization) if authorization else _no_password,
                timeout=(CONNECT_SECONDS, self.seconds),
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:  # holds the request with its header, so it is not raised from
            failed = _unreached(self.url, self.seconds, error)
        raise ServerError(failed)

    def _refusal(self, method: str, path: str, response: requests.Response) -> str:
        status = response.status_code
        what = f"{self.url}: {method} {path} was refused with status {status}"
        if status == 401:
            return (
                f"{self.url}: the token in {TOKEN} was refused (status 401); copy it again from Account & Settings, "
                "and start the server with --enable-legacy-api-token for a legacy token"
            )
        if status == 403:
            return f"{what}: the token's user may not do that; use a token of the project's owner"
        if status == 404:
            return f"{what}: it is not there; check --url and --project (labels may also be in another organization)"
        if status >= 500:
            return f"{what}: an error of the server; read its log, and run the same command again"
        return f"{what}: {_words(response)}"


def _no_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def checked_url(url: str) -> str:
    """The address without what follows its path; `ServerError` if it is not one."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerError(f"--url {redacted(url)}: not an address; it begins with http:// or https://")
    if "@" in parts.netloc:
        raise ServerError(f"--url {redacted(url)}: holds a user or a password; put the token into {TOKEN} instead")
    if parts.query or parts.fragment or parts.path.startswith(("/projects", "/user", "/api")):
        raise ServerError(
            f"--url {redacted(url)}: the address of a page; give the server's, as in {parts.scheme}://{parts.netloc}"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def token_of(environment: Mapping[str, str]) -> str:
    """The token; `ServerError` if there is none, or if it cannot stand in a header."""
    token = environment.get(TOKEN, "").strip()
    if not token:
        raise ServerError(
            f"{TOKEN} is not set; copy a token from Account & Settings of Label Studio, and export it as {TOKEN}"
        )
    if not re.fullmatch(r"[!-~]+", token):
        raise ServerError(f"{TOKEN} holds spaces or characters that no token has; copy the token alone")
    return token


def _unreached(url: str, seconds: float, error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"{url}: its certificate is not trusted; name your authority's file in {CERTIFICATES[0]}"
    if isinstance(error, requests.ConnectTimeout):
        return f"{url}: no connection within {CONNECT_SECONDS:.0f} s; check --url and the network"
    reason = getattr(error.args[0], "reason", None) if error.args else None  # of the last of several tries
    if isinstance(error, requests.Timeout) or isinstance(reason, ReadTimeoutError):
        return f"{url}: no answer within {seconds:g} s; run the same command again, what was done stays"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"{url}: the answer was cut short; run the same command again"
    return f"{url}: no server answers there ({type(error).__name__}); start Label Studio, or correct --url"


def _redirected(url: str, location: str) -> str:
    """Never followed: the token would go to an address that nobody named."""
    target = urlsplit(location)
    where = f"{target.scheme}://{target.netloc.rpartition('@')[2]}" if target.netloc else target.path
    return f"{url}: redirects to {redacted(where)}; give that address as --url if you trust it"


def _words(response: requests.Response) -> str:
    """What the server states about a refusal, in one line."""
    words = " ".join(redacted(response.text).split())
    return f"{words[:MOST_WORDS]}..." if len(words) > MOST_WORDS else words or "without a reason"


def _json(response: requests.Response) -> Any:  # noqa: ANN401  whatever the server sends
    try:
        return response.json()
    except ValueError:
        pass
    path = urlsplit(response.url).path
    raise ServerError(f"{path}: the answer is not JSON, or cut short; check that --url is a Label Studio server")


def _object(value: Any, what: str) -> Json:  # noqa: ANN401  whatever the server sends
    if isinstance(value, requests.Response):
        value = _json(value)
    if not isinstance(value, dict):
        raise ServerError(f"the server sent {type(value).__name__} for {what}; check that --url is Label Studio")
    return value


def _list(value: Any, what: str) -> list[Any]:  # noqa: ANN401  whatever the server sends
    if not isinstance(value, list):
        raise ServerError(f"the server sent {type(value).__name__} for {what}; check that --url is Label Studio")
    return value
