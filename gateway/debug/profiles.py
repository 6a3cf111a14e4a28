"""`/debug/pprof/…` and `/debug/goroutines`: profiles of CPU and memory, and what everybody is doing just now.

Served only with `debug.enable_pprof`, but for `/debug/goroutines`. The paths are those of Go's pprof; what they give is
for people and for speedscope, not for `go tool pprof`. One profile is made at a time, none for longer than a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.schemas import COUNT, TEXT, a_list, an_object
from gateway.api.table import Choice, Query, Route
from gateway.debug import stacks
from gateway.debug.heap import heap_profile
from gateway.debug.parts import TEXT_PLAIN, DebugParts, debug_route, operated
from gateway.debug.profiler import PAGE_HEADERS, cpu_profile
from protocol.codec import dumps

_HTML: Final = "text/html"
_MOST_SECONDS: Final = 60
_UTF8: Final = "; charset=utf-8"


class Profiles:
    """The family of profiles."""

    def __init__(self, parts: DebugParts) -> None:
        self._parts = parts
        self._busy = False

    def routes(self) -> tuple[Route, ...]:
        """Its routes; most of them only where profiles are allowed."""
        dump = ("A text", None)
        found = [
            debug_route("GET", "goroutines", "debugGoroutines", "Busy actors, stacks of all tasks and threads",
                        self.everybody, dump,
                        media=TEXT_PLAIN),
        ]  # fmt: skip
        if not self._parts.settings().debug.enable_pprof:
            return tuple(found)
        place = an_object({"file": TEXT, "line": COUNT, "bytes": {"type": "integer"}, "blocks": {"type": "integer"}})
        heap = an_object({"bytes": {"type": "integer"}, "blocks": {"type": "integer"}, "top": a_list(place)})
        seconds = Query("seconds", 10, _MOST_SECONDS, "How long to watch", 1)
        form = Choice(
            "format", ("html", "speedscope", "text"), "A page with a flame graph, JSON for speedscope, a text"
        )
        found += [
            debug_route("GET", "pprof/", "listProfiles", "The profiles there are", self.index, ("A page", None),
                        media=_HTML),
            debug_route("GET", "pprof/profile", "profileCpu", "What the event loop does for some seconds", self.cpu,
                        ("The profile", None), (409,), query=(seconds,), choices=(form,), media=_HTML,
                        other_media=("application/json", TEXT_PLAIN)),
            debug_route("GET", "pprof/heap", "profileHeap", "What is allocated within some seconds, and held",
                        self.heap, ("The places, the largest first", heap), (409,),
                        query=(seconds, Query("top", 50, 500, "Places told", 1))),
            debug_route("GET", "pprof/tasks", "profileTasks", "Stacks of all asyncio tasks", self.tasks, dump,
                        media=TEXT_PLAIN),
            debug_route("GET", "pprof/goroutine", "profileGoroutines", "The same, by Go's path", self.tasks, dump,
                        media=TEXT_PLAIN),
            debug_route("GET", "pprof/threads", "profileThreads", "Stacks of all threads", self.threads, dump,
                        media=TEXT_PLAIN),
        ]  # fmt: skip
        return tuple(found)

    async def index(self, call: Call) -> ApiAnswer:
        """Links."""
        names = ("profile?seconds=10", "profile?seconds=10&format=speedscope", "heap?seconds=5", "tasks", "threads")
        items = "".join(f'<li><a href="{name}">{name}</a>' for name in (each.replace("&", "&amp;") for each in names))
        page = f"<!doctype html><meta charset=utf-8><title>Profiles</title><h1>Profiles</h1><ul>{items}</ul>\n"
        return ApiAnswer(200, page.encode(), PAGE_HEADERS, _HTML + _UTF8)

    async def cpu(self, call: Call) -> ApiAnswer:
        """Watch, then answer."""
        seconds, form = call.numbers["seconds"], call.words["format"]
        with self._alone(call, f"profile CPU for {seconds} s"):
            text = await cpu_profile(seconds, form)
        media = {"speedscope": "application/json", "text": TEXT_PLAIN + _UTF8}.get(form, _HTML + _UTF8)
        return ApiAnswer(200, text.encode(), PAGE_HEADERS if form == "html" else (), media)

    async def heap(self, call: Call) -> ApiAnswer:
        """Watch, then answer."""
        seconds, top = call.numbers["seconds"], call.numbers["top"]
        with self._alone(call, f"profile the heap for {seconds} s"):
            told = await heap_profile(seconds, top)
        return ApiAnswer(200, dumps({"seconds": seconds, **told}))

    async def everybody(self, call: Call) -> ApiAnswer:
        """All of them."""
        return _text("\n".join((stacks.actors(self._parts.system), stacks.tasks(), stacks.threads())))

    async def tasks(self, call: Call) -> ApiAnswer:
        """Tasks."""
        return _text(stacks.tasks())

    async def threads(self, call: Call) -> ApiAnswer:
        """Threads."""
        return _text(stacks.threads())

    @contextmanager
    def _alone(self, call: Call, what: str) -> Iterator[None]:
        """One profile at a time. Raises ApiError while another is being made."""
        if self._busy:
            raise ApiError(409, "another profile is being made", (("Retry-After", "10"),))
        self._busy = True
        try:
            operated(self._parts, call, what)
            yield
        finally:
            self._busy = False


def _text(text: str) -> ApiAnswer:
    return ApiAnswer(200, text.encode("utf-8", "replace"), content_type=TEXT_PLAIN + _UTF8)
