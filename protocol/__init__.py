"""The words of the system: messages, the flow model, settings, errors.

Nothing here does I/O or imports asyncio; both other packages speak these words, and this one knows neither of them.
"""
