"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("nflow-runtime")
    except PackageNotFoundError:
        return "0.0.0+checkout"


VERSION = _version()
