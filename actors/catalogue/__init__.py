"""The flows that can be run: the table requests are looked up in (`Catalogue`), and its keeper (`Flows`)."""

from actors.catalogue.catalogue import Catalogue
from actors.catalogue.keeper import Flows, FlowsSettings
from actors.catalogue.live import LiveApp, Triggers

__all__ = ["Catalogue", "Flows", "FlowsSettings", "LiveApp", "Triggers"]
