"""Which document of an app is served when both somebody else (a file, nFlow's database) and our library have one.

The last change wins, whoever made it. The history of versions knows: an outside document that is not the last one that
was live from outside has changed since; otherwise ours is served if it is the newest version. No clock is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.catalogue.live import AppDocument
from actors.library.library import Snapshot
from actors.library.versions import Version, VersionSource, content_hash

PLACES = {
    VersionSource.DATABASE: "the nFlow database",
    VersionSource.API: "our library",
}


def in_order_of_preference(
    outside: AppDocument | None, ours: AppDocument | None, history: Sequence[Version]
) -> tuple[AppDocument, ...]:
    """What there is, the one to serve first. `history`: the app's versions, the newest first."""
    if outside is None or ours is None:
        return tuple(each for each in (outside, ours) if each is not None)
    last_outside = next((version for version in history if version.source.outside), None)
    changed = last_outside is None or last_outside.hash != outside.hash
    ours_is_newest = bool(history) and history[0].hash == ours.hash and not history[0].source.outside
    return (ours, outside) if ours_is_newest and not changed else (outside, ours)


def documents_of(snapshot: Snapshot, source: VersionSource) -> dict[str, AppDocument]:
    """The documents a library holds."""
    documents = {}
    for app in snapshot.apps.values():
        text = app.document.encode("utf-8", "replace")
        documents[app.name] = AppDocument(app.name, text, content_hash(text), source, PLACES[source], app.default_js)
    return documents


def by_app(*sources: Iterable[AppDocument]) -> dict[str, AppDocument]:
    """Documents by app, in order; the first of a name counts."""
    found: dict[str, AppDocument] = {}
    for documents in sources:
        for document in documents:
            found.setdefault(document.app, document)
    return found
