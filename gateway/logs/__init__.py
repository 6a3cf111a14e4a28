"""Log lines: one event is one line, whoever said it, with everything sensitive masked, written off the event loop.

`configuration` sets it up and changes it; `said` is one event, and takes it from structlog and Python's own logging;
`lines` makes text or JSON of it; `writer` is the thread and its bounded queue; `outputs` are streams and rotated files;
`access` is the line of each request; `tracebacks` and `crashes` are about what nobody caught.

Invariants: an event is one line (scripts and requests put their own text into the log, so control characters are
written as escapes: nobody can forge a line or reach the terminal of who reads it; lines of a traceback are indented by
a bar); and a line that cannot be written is lost and counted, not an error of the run it is about: whoever read the
log may have left, or its disk be full.
"""

from gateway.logs.configuration import access_log, clean, configure, flush, follow, in_force, let_go
from gateway.logs.said import LOG_LEVELS
from gateway.logs.settings import LogSettings, log_settings

__all__ = [
    "LOG_LEVELS", "LogSettings", "access_log", "clean", "configure", "flush", "follow", "in_force", "let_go",
    "log_settings",
]  # fmt: skip
