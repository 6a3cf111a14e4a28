"""A log of its own for each test, let go behind it."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from gateway import logs


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    structlog.reset_defaults()
    root = logging.getLogger()
    before = root.handlers[:]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    shown = warnings.showwarning
    yield
    log = logs.in_force()
    if log is not None:
        log.writer.close()
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
    warnings.showwarning = shown
    root.handlers[:] = before
    for ours in ("actors", "nflow"):
        logging.getLogger(ours).setLevel(logging.NOTSET)
    structlog.reset_defaults()
