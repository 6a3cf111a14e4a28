"""The storms talk to the same real server as the acceptance tests."""

from tests.acceptance.conftest import launch, serve

__all__ = ["launch", "serve"]
