"""`POST /api/workflow/{id}`: run a workflow and get its output (nFlow manual, API reference).

The body is `{"input": …}`, the answer `{"success", "output", "execution_time"}` with the milliseconds it took, or
`{"success": false, "error": {"code", "message", …}, "execution_time"}` with the status a client of the workflow itself
would get. The header `Nflow-Wid-1` names the run.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from gateway.api.call import ApiAnswer, Call, explained, status_of
from gateway.api.execution import Execution, Executions
from gateway.api.table import Auth, Route
from gateway.session_cookie import SessionCookie
from protocol.errors import BadDocument, NflowError, Problem
from protocol.process import Pairs

ERRORS: Final = (400, 401, 403, 404, 408, 409, 413, 500, 503)


class Workflows:
    """The family of execution."""

    def __init__(self, executions: Executions, cookie: SessionCookie) -> None:
        self._executions = executions
        self._cookie = cookie

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        return (
            Route(
                "POST", "/api/workflow/{id...}", "executeWorkflow",
                "Run a workflow, by its app, `app/flow`, or flow, and wait for its output", self.execute, "workflows",
                Auth.EXECUTION,
                {200: ("The workflow ended well, or answered with an error status", "ExecutionResult")},
                ERRORS, body="ExecutionInput", workflow=True,
            ),
        )  # fmt: skip

    async def execute(self, call: Call) -> ApiAnswer:
        """Run it; what fails before or in the run has the same shape."""
        began = monotonic()
        try:
            given = call.object()
            if given and "input" not in given:
                raise BadDocument([Problem("body.input", "is missing")])
            flow = self._executions.find(call.variables["id"])
            shown = self._cookie.find(call.headers)
            headers = [line for line in call.headers if not (call.token.admin and line[0].lower() == b"authorization")]
            done = await self._executions.execute(
                flow, given.get("input", {}), headers, call.remote, shown.session, call.origin
            )
        except NflowError as error:
            done = Execution(None, 500, "", monotonic() - began, error)
        return self._answer(done, call.origin.scheme)

    def _answer(self, done: Execution, scheme: str) -> ApiAnswer:
        headers: Pairs = (("Nflow-Wid-1", done.wid),) if done.wid else ()
        if done.session:
            headers = (*headers, self._cookie.line(done.session, scheme))
        told: dict[str, Any] = {"success": done.success}
        status = done.status
        if done.error is not None:
            status, more = status_of(done.error)
            if status < 400:  # the run was cancelled, which a workflow's own client takes for an empty answer
                status = 500
            headers = (*headers, *more)
            told["error"] = explained(done.error, status)
            if done.node:
                told["error"]["node"] = done.node
        else:
            told["output"] = done.output
            if not done.success:
                told["error"] = {"code": status, "message": f"the workflow answered with status {status}"}
            else:
                status = 200
        told["execution_time"] = round(done.seconds * 1000)
        return ApiAnswer.of(told, status, headers)
