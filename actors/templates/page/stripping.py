"""HTML reduced to its text: for HTML that is put into an attribute."""

from __future__ import annotations

from actors.templates.page.context import TEXT, BadPage
from actors.templates.page.markup import END_TAGS, TAG_STATES, advance, value_end


def strip_tags(html: str) -> str:
    """The text between the tags; the HTML itself where it has none, or is not to be read."""
    try:
        return _stripped(html)
    except BadPage:
        return ""


def _stripped(html: str) -> str:
    parts: list[str] = []
    context, at, only_text = TEXT, 0, True
    while at < len(html):
        if context.delimiter:
            found = value_end(context, html, at)
            if found is None:
                break
            at = found.start() if context.delimiter == " " else found.end()
            context = TEXT._replace(state="tag", element=context.element)
            continue
        shows = context.state in ("text", "rcdata")
        if context.element and context.state not in TAG_STATES:
            closing = END_TAGS[context.element].search(html, at) if context.element in END_TAGS else None
            after, reached = (TEXT, closing.start()) if closing else (context, len(html))
            end = reached
        else:
            after, reached = advance(context, html, at, len(html))
            end = html.rfind("<", at, reached) if after.state != context.state else reached
        if shows:
            parts.append(html[at:end])
        else:
            only_text = False
        context, at = after, reached
    if only_text:
        return html
    if context.state in ("text", "rcdata"):
        parts.append(html[at:])
    return "".join(parts)
