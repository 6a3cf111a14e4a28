"""The names of one system: a dict, never a global. A name is free again when its actor ends for good."""

from __future__ import annotations

from protocol.refs import AnyRef


class Registry:
    """Names of living actors."""

    __slots__ = ("_names", "_refs")

    def __init__(self) -> None:
        self._refs: dict[str, AnyRef] = {}
        self._names: dict[AnyRef, list[str]] = {}
        """The way back, so that the end of one actor does not have to look through all names."""

    def register(self, name: str, ref: AnyRef) -> None:
        """Raises ValueError when a living actor has that name. An actor that has ended gets none."""
        holder = self._refs.get(name)
        if holder is ref or not ref.alive:
            return
        if holder is not None:
            raise ValueError(f"the name {name!r} belongs to {holder.path}")
        self._refs[name] = ref
        self._names.setdefault(ref, []).append(name)

    def unregister(self, name: str) -> None:
        """Free a name. Unknown ones are ignored."""
        ref = self._refs.pop(name, None)
        if ref is not None:
            self._names[ref].remove(name)

    def lookup(self, name: str) -> AnyRef | None:
        """The actor of that name."""
        return self._refs.get(name)

    def forget(self, ref: AnyRef) -> None:
        """This actor takes no mail any more."""
        for name in self._names.pop(ref, ()):
            del self._refs[name]
