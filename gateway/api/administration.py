"""`/api/admin/workflows`: apps are listed, read, installed, removed and set back to an earlier version.

What is installed here is kept in our own library and live when the answer leaves; a document that cannot be served is
refused with everything that is wrong with it, and what was live stays live. Asks the catalogue and the versions.
"""

from __future__ import annotations

from typing import Any, Final

from actors.catalogue import Catalogue, LiveApp
from actors.library.versions import Version, Versions
from gateway.api.call import ApiAnswer, ApiError, Call, problems
from gateway.api.table import Auth, Link, Query, Route
from protocol.codec import loads_from_script
from protocol.errors import BadDocument, Problem
from protocol.flow import Flow

PAGE: Final = (
    Query("limit", 100, 1_000, "Most entries of this answer"),
    Query("offset", 0, 1_000_000_000, "Entries left out before the first"),
)
_TAG: Final = "administration"
_APPS: Final = "/api/admin/workflows"
_APP: Final = f"{_APPS}/{{id}}"
_GUARDED: Final = (401, 403, 503)
_SAME: Final = {"id": "$request.path.id"}
_INSTALLED: Final = (
    Link("getWorkflow", _SAME),
    Link("listVersions", _SAME),
    Link("getVersion", {**_SAME, "version": "$response.body#/version"}),
    Link("rollBackWorkflow", _SAME, {"version": "$response.body#/version"}),
    Link("executeWorkflow", _SAME, {"input": {"name": "ana"}}),
    Link("deleteWorkflow", _SAME),
)


class Administration:
    """The family of administration."""

    def __init__(self, catalogue: Catalogue, versions: Versions | None) -> None:
        """`versions` None: there is no store to keep any."""
        self._catalogue = catalogue
        self._versions = versions

    def routes(self) -> tuple[Route, ...]:
        """Its routes. All ask for the admin's token."""
        admin, missing = Auth.ADMIN, (404, *_GUARDED)
        return (
            Route(
                "GET", _APPS, "listWorkflows", "List the apps that are served", self.list, _TAG, admin,
                {200: ("A page of apps, in the order of the routes", "Workflows")}, (400, *_GUARDED), query=PAGE,
            ),
            Route(
                "GET", _APP, "getWorkflow", "An app with its document and versions", self.get, _TAG, admin,
                {200: ("The app", "WorkflowDetail")}, missing,
            ),
            Route(
                "PUT", _APP, "putWorkflow", "Install or replace an app; every error is told", self.put, _TAG, admin,
                {200: ("Replaced and live", "Installed"), 201: ("New and live", "Installed")},
                (400, 408, 413, *_GUARDED), body="Playbook", links=_INSTALLED,
            ),
            Route(
                "DELETE", _APP, "deleteWorkflow", "Remove an app; its versions stay", self.delete, _TAG, admin,
                {200: ("Removed", "Removed")}, (409, *missing),
            ),
            Route(
                "GET", f"{_APP}/versions", "listVersions", "The versions that were live, the newest first",
                self.list_versions, _TAG, admin, {200: ("The versions", "Versions")}, missing,
            ),
            Route(
                "GET", f"{_APP}/versions/{{version}}", "getVersion", "The document of one version", self.get_version,
                _TAG, admin, {200: ("The document as it was", "Playbook")}, (400, *missing),
                names={"version": {"type": "integer", "minimum": 0, "maximum": 10**17}},
            ),
            Route(
                "POST", f"{_APP}/rollback", "rollBackWorkflow", "Install an earlier version again", self.roll_back,
                _TAG, admin, {200: ("Live, as a new version", "Installed")}, (400, 408, 413, *missing),
                body="RollbackInput",
            ),
        )  # fmt: skip

    async def list(self, call: Call) -> ApiAnswer:
        """A page of apps, and everything that is wrong with any document."""
        live = tuple(self._catalogue.live.items())
        limit, offset = call.numbers["limit"], call.numbers["offset"]
        page = live[offset : offset + limit]
        return ApiAnswer.of(
            {
                "workflows": [_summary(app, served, await self._history(app)) for app, served in page],
                "total": len(live),
                "limit": limit,
                "offset": offset,
                "problems": problems(self._catalogue.problems),
            }
        )

    async def get(self, call: Call) -> ApiAnswer:
        """One app."""
        app = call.variables["id"]
        served = self._catalogue.live.get(app)
        if served is None:
            raise _no_app(app)
        history = await self._history(app)
        summary = _summary(app, served, history)
        return ApiAnswer.of({**summary, "document": _document(served.document.text), "versions": _told(history)})

    async def put(self, call: Call) -> ApiAnswer:
        """Install the body as this app."""
        app = call.variables["id"]
        if not call.body:
            raise BadDocument([Problem("document", "the body is empty; it must be a playbook")])
        new = app not in self._catalogue.live
        return await self._installed(app, call.body, 201 if new else 200)

    async def delete(self, call: Call) -> ApiAnswer:
        """Take it out of our library."""
        app = call.variables["id"]
        return ApiAnswer.of({"id": app, "served": await self._catalogue.remove(app)})

    async def list_versions(self, call: Call) -> ApiAnswer:
        """What was live."""
        app = call.variables["id"]
        history = await self._history(app)
        if not history and app not in self._catalogue.live:
            raise _no_app(app)
        return ApiAnswer.of({"id": app, "versions": _told(history)})

    async def get_version(self, call: Call) -> ApiAnswer:
        """One document, byte for byte."""
        app, number = call.variables["id"], call.variables["version"]
        if not number.isdecimal() or len(number) > 18:
            raise BadDocument([Problem("version", "must be a whole number")])
        text = await self._versions.get(app, int(number)) if self._versions is not None else None
        if text is None:
            raise ApiError(404, f"app {app!r} has no version {number}")
        return ApiAnswer(200, text)

    async def roll_back(self, call: Call) -> ApiAnswer:
        """Install an earlier document again."""
        app, version = call.variables["id"], call.object().get("version")
        if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 1 << 62:
            raise BadDocument([Problem("body.version", "must be the number of a version")])
        installed = await self._catalogue.roll_back(app, version)
        return await self._answer(app, installed, 200)

    async def _installed(self, app: str, document: bytes, status: int) -> ApiAnswer:
        _check_name(app)
        return await self._answer(app, await self._catalogue.install(app, document), status)

    async def _answer(self, app: str, installed: Any, status: int) -> ApiAnswer:
        history = await self._history(app)
        digest = next((each.hash for each in history if each.number == installed.version), "")
        return ApiAnswer.of(
            {
                "id": app,
                "version": installed.version,
                "hash": digest,
                "flows": installed.flows,
                "problems": problems(installed.problems),
            },
            status,
        )

    async def _history(self, app: str) -> tuple[Version, ...]:
        return await self._versions.list(app) if self._versions is not None else ()


def _summary(app: str, served: LiveApp, history: tuple[Version, ...]) -> dict[str, Any]:
    document = served.document
    return {
        "id": app,
        "hash": document.hash,
        "source": document.source.value,
        "place": document.place,
        "version": next((each.number for each in history if each.hash == document.hash), None),
        "flows": [_flow(flow) for flow in served.flows],
        "problems": problems(served.problems),
    }


def _flow(flow: Flow) -> dict[str, Any]:
    starts = [
        {"node": start.node, "method": start.method, "path": start.pattern, "auth": start.auth} for start in flow.starts
    ]
    return {"name": flow.name, "hash": flow.hash, "nodes": len(flow.nodes), "starts": starts}


def _told(history: tuple[Version, ...]) -> list[dict[str, Any]]:
    return [
        {
            "version": each.number,
            "hash": each.hash,
            "created": each.created,
            "source": each.source.value,
            "size": each.size,
        }
        for each in history
    ]


def _document(text: bytes) -> Any:
    try:
        return loads_from_script(text.removeprefix(b"\xef\xbb\xbf"))
    except BadDocument:
        return text.decode("utf-8", "replace")


def _check_name(app: str) -> None:
    if "/" in app or not app.isprintable() or len(app) > 200:
        raise BadDocument([Problem("id", "an app's name has up to 200 printable characters and no /")])


def _no_app(app: str) -> ApiError:
    return ApiError(404, f"there is no app {app!r}")
