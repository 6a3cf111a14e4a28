"""From settings to parts: everything a runtime is made of, put together once at its start."""

from gateway.assembly.assembly import Assembly

__all__ = ["Assembly"]
