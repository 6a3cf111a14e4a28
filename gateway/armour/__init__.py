"""What stands between the network and the workflows: connections, heads, bodies, encryption, origins, overload.

One concept per file. What is switched off is not there: no look, no header, no cost on the way of a request.
"""
