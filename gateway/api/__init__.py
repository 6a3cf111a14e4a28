"""The HTTP API beside the workflows: execution, administration, processes, plugins, its description and its docs page.

One file for each family of endpoints; `table.py` says what a route is, `desk.py` answers a request that has one, and
`reception.py` decides whether a request has one, or is for a flow. Nothing below this folder knows of HTTP's API.
"""
