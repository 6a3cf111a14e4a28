"""Every key of config.toml: type, unit, default, meaning. The only folder that knows pydantic."""

from protocol.settings.settings import Loaded, Settings, known_keys

__all__ = ["Loaded", "Settings", "known_keys"]
