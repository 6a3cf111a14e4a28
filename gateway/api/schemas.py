"""JSON Schemas of what the API takes and gives, by name: the components of its description."""

from __future__ import annotations

from typing import Any, Final

TEXT: Final = {"type": "string"}
COUNT: Final = {"type": "integer", "minimum": 0}
ANYTHING: Final[dict[str, Any]] = {}


def an_object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def a_list(items: Any) -> dict[str, Any]:
    """The schema of an array."""
    return {"type": "array", "items": items}


def ref(name: str) -> dict[str, Any]:
    """A named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


PLAYBOOK: Final = {
    "start": {
        "data": {"type": "httpstart", "method": "POST", "path": "/example/:name"},
        "outputs": {"output": {"connections": [{"node": "greet"}]}},
    },
    "greet": {"data": {"type": "js", "script": "return {hello: c.request.params.name}"}, "outputs": {}},
}
"""One that can be installed."""
SCHEMAS: Final[dict[str, Any]] = {
    "Problem": an_object(
        {
            "path": {**TEXT, "description": "Where in the document, such as `drawflow.Home.data.n1`."},
            "message": TEXT,
        },
        severity={"enum": ["error", "warning"]},
        issue=ref("Issue"),
    ),
    "Issue": an_object(
        {"type": {**TEXT, "description": "The rule that found something in a script."}},
        severity={"enum": ["high", "medium", "low"]},
        description=TEXT,
        line=COUNT,
        column=COUNT,
    ),
    "Error": an_object(
        {"code": {"type": "integer", "description": "The HTTP status."}, "message": TEXT},
        problems=a_list(ref("Problem")),
        node={**TEXT, "description": "Id of the node that failed."},
        issues=a_list(ref("Issue")),
    ),
    "Refused": an_object(
        {"error": TEXT},
        retry_after={**COUNT, "description": "Seconds."},
        problems=a_list(ref("Problem")),
    ),
    "ExecutionInput": {
        **an_object(
            {},
            input={
                "description": "The first payload. Also the run's JSON body, its path variables by their names and, "
                "for starts that take GET or DELETE, its query.",
                "default": {},
            },
        ),
        "anyOf": [{"maxProperties": 0}, {"required": ["input"]}],
    },
    "ExecutionResult": an_object(
        {
            "success": {"type": "boolean"},
            "execution_time": {**COUNT, "description": "Milliseconds."},
        },
        output={
            "description": "What the workflow answered: JSON as its value, else text; a file as `{file}`, a redirect "
            "as `{location}`, bytes as `{base64}`. Its last payload when it answered nothing."
        },
        error=ref("Error"),
    ),
    "Start": an_object({"node": TEXT, "method": TEXT, "path": TEXT, "auth": {"type": "boolean"}}),
    "Flow": an_object({"name": TEXT, "hash": TEXT, "nodes": COUNT, "starts": a_list(ref("Start"))}),
    "Workflow": an_object(
        {
            "id": {**TEXT, "description": "The app's name."},
            "hash": {**TEXT, "description": "Hex SHA-256 of the document's text."},
            "source": {**TEXT, "description": "file, database or api."},
            "place": TEXT,
            "version": {"type": ["integer", "null"], "description": "Number of the version that is served."},
            "flows": a_list(ref("Flow")),
            "problems": a_list(ref("Problem")),
        }
    ),
    "WorkflowDetail": {
        "allOf": [
            ref("Workflow"),
            an_object(
                {
                    "document": {"description": "The playbook; as text where it is not JSON."},
                    "versions": a_list(ref("Version")),
                }
            ),
        ]
    },
    "Workflows": an_object(
        {
            "workflows": a_list(ref("Workflow")),
            "total": COUNT,
            "limit": COUNT,
            "offset": COUNT,
            "problems": a_list(ref("Problem")),
        }
    ),
    "Version": an_object(
        {
            "version": {"type": "integer", "minimum": 1},
            "hash": TEXT,
            "created": {"type": "number", "description": "Unix seconds."},
            "source": {"enum": ["file", "database", "api", "import", "rollback"]},
            "size": {**COUNT, "description": "Bytes of the document."},
        }
    ),
    "Versions": an_object({"id": TEXT, "versions": a_list(ref("Version"))}),
    "Playbook": {
        "type": "object",
        "description": 'A designer\'s export, `{"drawflow": {flow: {"data": {id: node}}}}`, or the manuals\' shape, '
        "`{id: node}`.",
        "examples": [PLAYBOOK],
    },
    "Installed": an_object(
        {
            "id": TEXT,
            "version": {"type": "integer"},
            "hash": TEXT,
            "flows": a_list(TEXT),
            "problems": a_list(ref("Problem")),
        }
    ),
    "Removed": an_object(
        {"id": TEXT, "served": {"type": "boolean", "description": "Served still, from a file or nFlow's database."}}
    ),
    "RollbackInput": an_object({"version": {"type": "integer", "minimum": 1}}),
    "Process": an_object(
        {
            "id": TEXT,
            "app": TEXT,
            "flow": TEXT,
            "hash": TEXT,
            "state": {"enum": ["run", "wait", "end", "error", "cancelled"]},
            "node": {**TEXT, "description": "Id of the node being done; empty: none."},
        },
        label=TEXT,
        kind=TEXT,
        method=TEXT,
        path=TEXT,
        steps=COUNT,
        age={"type": "number", "description": "Seconds since the run began."},
    ),
    "Processes": an_object({"processes": a_list(ref("Process")), "total": COUNT, "limit": COUNT, "offset": COUNT}),
    "Step": an_object(
        {
            "node": TEXT,
            "visit": COUNT,
            "attempt": COUNT,
            "outcome": {**TEXT, "description": "The output that was taken, or `!error`."},
            "started": {"type": "number"},
            "ended": {"type": "number"},
        }
    ),
    "ProcessDetail": {
        "allOf": [
            ref("Process"),
            an_object(
                {"live": {"type": "boolean", "description": "The run is under way; else it is from the journal."}},
                journal=a_list(ref("Step")),
            ),
        ]
    },
    "ProcessPayload": an_object({"id": TEXT, "state": TEXT, "node": TEXT, "payload": ANYTHING}),
    "StepInput": an_object(
        {"node": {**TEXT, "minLength": 1, "description": "Id of a node that the suspended run offered."}},
        payload={"type": "object", "description": "Laid over the payload that the run kept."},
    ),
    "Killed": an_object({"id": TEXT, "message": TEXT}),
    "Health": an_object(
        {
            "status": {"enum": ["healthy", "degraded"]},
            "timestamp": {"type": "integer"},
            "uptime": TEXT,
            "version": TEXT,
            "components": {
                "type": "object",
                "additionalProperties": an_object(
                    {"status": {"enum": ["healthy", "warning", "unhealthy"]}}, message=TEXT
                ),
            },
            "checks": {"type": "object", "additionalProperties": {"enum": ["ok", "warning", "failed"]}},
        },
        details={"type": "object", "description": "With `monitor.enable_detailed_metrics`."},
    ),
    "Alive": an_object({"status": {"enum": ["alive"]}, "uptime": TEXT}),
    "Ready": an_object({"status": {"enum": ["ready", "not ready"]}}, reason=TEXT),
    "PluginInput": {"description": "What the action takes; none, where it takes nothing."},
    "PluginOutput": {"description": "What the action returned."},
}
