"""The way out: HTTP, mail and Redis, each behind one owner with deadlines, caps and a circuit breaker per server."""
