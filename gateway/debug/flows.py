"""`/debug/playbooks`, `/debug/repositories`, the caches, and three paths of old: what is served, and reading it anew.

In Go an invalidation was how an edited playbook came to be served, and with `-a file.json` it left the server without
any. Here what is served is looked at all the time; an invalidation has every source read at once, empties
the caches of results and pages, and leaves what is known live when a source is out of reach. There is no cache of URLs:
`/debug/url-cache` shows the table that took its place, by patterns, so that no client's query is in it.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.execution import find_flow
from gateway.api.schemas import COUNT, TEXT, a_list, an_object
from gateway.api.table import Link, Query, Route
from gateway.debug.parts import DebugParts, debug_route, operated
from gateway.statuses import SOURCE_KEYS
from protocol.codec import dumps
from protocol.errors import AskError, Unavailable
from protocol.flow import Flow, Node

_MOST: Final = (Query("limit", 1_000, 10_000, "Most entries of this answer"),)
_REPOSITORIES: Final = ("playbook_repository", "process_repository")
_MESSAGE: Final = an_object({"message": TEXT})


class FlowPages:
    """The family of flows and caches."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        flow = an_object({"key": TEXT, "flow_key": TEXT, "node_count": COUNT}, app=TEXT)
        start = an_object({"app": TEXT, "flow": TEXT, "node": TEXT, "method": TEXT, "path": TEXT})
        flows = an_object({"app": TEXT, "total_flows": COUNT, "total_nodes": COUNT, "flows": a_list(flow)})
        caches = an_object({"playbook_cache_size": COUNT, "url_cache_size": COUNT})
        urls = an_object({"size": COUNT, "entries": a_list(an_object({"url": TEXT, "endpoint": TEXT}))})
        node = an_object({"type": TEXT, "outputs": {"type": "object"}})
        book = an_object({"flow": TEXT, "node_count": COUNT, "nodes": {"type": "object", "additionalProperties": node}})
        return (
            debug_route("GET", "repositories", "debugRepositories", "What is kept in memory", self.repositories,
                        ("Sizes", an_object({name: {"type": "object"} for name in _REPOSITORIES}))),
            debug_route("GET", "playbooks", "debugPlaybooks", "The flows that are served", self.playbooks,
                        ("In the order of the routes", flows), query=_MOST,
                        links=(Link("debugPlaybook", {"flow": "$response.body#/flows/0/key"}),)),
            debug_route("GET", "playbook/{flow...}", "debugPlaybook",
                        "The nodes of a flow, by its app, `app/flow` or name; sources and secrets are left out",
                        self.playbook, ("The graph", book), (404, 409)),
            debug_route("GET", "cache/stats", "debugCaches", "How full the caches are", self.caches, ("Now", caches)),
            debug_route("POST", "cache/invalidate", "invalidateCaches", "Read every source anew, empty the caches",
                        self.invalidate, ("What was found is live", _MESSAGE), (503,)),
            debug_route("POST", "cache/invalidate/{flow...}", "invalidateCache", "The same, for a flow that is there",
                        self.invalidate_one, ("What was found is live", an_object({"message": TEXT, "flow": TEXT})),
                        (404, 409, 503)),
            debug_route("GET", "url-cache", "debugUrls", "The route table", self.urls, ("By pattern", urls),
                        query=_MOST),
            debug_route("DELETE", "url-cache", "clearUrls", "Nothing is kept of URLs", self.clear_urls,
                        ("There is nothing to clear", _MESSAGE)),
            debug_route("GET", "invalidate-cache", "invalidateCachesLegacy", "As POST /debug/cache/invalidate",
                        self.invalidate, ("What was found is live", _MESSAGE), (503,)),
            debug_route("GET", "clean-json", "cleanJsonLegacy", "As POST /debug/cache/invalidate", self.invalidate,
                        ("What was found is live", _MESSAGE), (503,)),
            debug_route("GET", "starters", "debugStarters", "Every way into a flow", self.starters,
                        ("In the order of the routes", an_object({"total": COUNT, "starters": a_list(start)})),
                        query=_MOST),
        )  # fmt: skip

    async def repositories(self, call: Call) -> ApiAnswer:
        """Is it there, and how much of it."""
        parts = self._parts
        books = {"initialized": parts.catalogue.keeper is not None, "cache_size": len(parts.catalogue.live)}
        runs = {"initialized": True, "active_processes": len(parts.admission.active)}
        return ApiAnswer.of(dict(zip(_REPOSITORIES, (books, runs), strict=True)))

    async def playbooks(self, call: Call) -> ApiAnswer:
        """Every flow."""
        flows = self._parts.catalogue.flows
        shown = [
            {"key": f"{flow.app}/{flow.name}", "flow_key": flow.name, "app": flow.app, "node_count": len(flow.nodes)}
            for flow in flows[: call.numbers["limit"]]
        ]
        return ApiAnswer.of(
            {
                "app": next(iter(self._parts.catalogue.live), ""),
                "total_flows": len(flows),
                "total_nodes": sum(len(flow.nodes) for flow in flows),
                "flows": shown,
            }
        )

    async def playbook(self, call: Call) -> ApiAnswer:
        """One flow."""
        flow = self._found(call)
        nodes = {name: self._node(node) for name, node in flow.nodes.items()}
        return ApiAnswer.of({"flow": flow.name, "app": flow.app, "node_count": len(nodes), "nodes": nodes})

    async def caches(self, call: Call) -> ApiAnswer:
        """Sizes and hits."""
        parts = self._parts
        results = parts.results
        return ApiAnswer.of(
            {
                "playbook_cache_size": len(parts.catalogue.live),
                "url_cache_size": 0,
                "routes": sum(len(flow.starts) for flow in parts.catalogue.flows),
                "template_cache_size": len(parts.templates),
                "result_cache": {
                    "size": len(results), "bytes": results.size, "hits": results.hits, "misses": results.misses,
                },
            }
        )  # fmt: skip

    async def invalidate(self, call: Call) -> ApiAnswer:
        """Everything."""
        await self._anew(call, "invalidate all caches")
        return ApiAnswer.of({"message": "All cache invalidated"})

    async def invalidate_one(self, call: Call) -> ApiAnswer:
        """Everything too: sources are read whole. But for the name of a flow or app that is there then."""
        name = call.variables["flow"]
        await self._anew(call, f"invalidate cache {name}")
        if name not in self._parts.catalogue.live:
            self._found(call)
        return ApiAnswer.of({"message": "Cache invalidated", "flow": name})

    async def urls(self, call: Call) -> ApiAnswer:
        """Patterns, never what a client asked for."""
        starts = [(flow, start) for flow in self._parts.catalogue.flows for start in flow.starts]
        entries = [
            {"url": start.pattern, "method": start.method, "endpoint": f"{flow.app}/{flow.name}"}
            for flow, start in starts[: call.numbers["limit"]]
        ]
        return ApiAnswer.of({"size": len(starts), "entries": entries})

    async def clear_urls(self, call: Call) -> ApiAnswer:
        """Say so."""
        return ApiAnswer.of({"message": "URL cache cleared"})

    async def starters(self, call: Call) -> ApiAnswer:
        """Every start."""
        starts = [
            {"app": flow.app, "flow": flow.name, "node": start.node, "method": start.method, "path": start.pattern,
             "auth": start.auth}
            for flow in self._parts.catalogue.flows
            for start in flow.starts
        ]  # fmt: skip
        return ApiAnswer.of({"total": len(starts), "starters": starts[: call.numbers["limit"]]})

    async def _anew(self, call: Call, what: str) -> None:
        operated(self._parts, call, what)
        self._parts.results.clear()
        self._parts.templates.clear()
        try:
            await self._parts.catalogue.look_anew()
        except AskError as error:
            raise Unavailable(f"the sources of the flows could not be read: {error}") from None

    def _found(self, call: Call) -> Flow:
        try:
            return find_flow(self._parts.catalogue.flows, call.variables["flow"])
        except ApiError as error:
            raise ApiError(404, "Flow not found") if error.status == 404 else error from None

    def _node(self, node: Node) -> dict[str, Any]:
        data = {
            key: {"characters": len(value)} if key in SOURCE_KEYS and isinstance(value, str) else value
            for key, value in node.data.items()
        }
        told = {"type": node.kind, "name": node.label, "data": data, "outputs": node.outputs}
        shown: dict[str, Any] = self._parts.masked(dumps(told))
        return shown
