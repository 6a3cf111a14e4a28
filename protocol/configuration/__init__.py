"""From files and the environment to one tree of known keys, each with where it was written.

Names are matched as nFlow does: exactly, else without regard to case; documented second names lead to the first. What
is not known is an error that names the nearest known key, so a slip of the pen never becomes a silent default. Pure:
what is in a file is handed in. No message repeats a value.
"""

from protocol.configuration.flowrunner import flowrunner_tree, take_flowrunner_variables
from protocol.configuration.gathered import Gathered, Known, printable
from protocol.configuration.places import places
from protocol.configuration.table import take_tree
from protocol.configuration.variables import take_variables

__all__ = [
    "Gathered",
    "Known",
    "flowrunner_tree",
    "places",
    "printable",
    "take_flowrunner_variables",
    "take_tree",
    "take_variables",
]
