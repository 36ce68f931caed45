"""What can go wrong in a world: by name, month and size, each with its truth."""

from helpers.worlds.incidents.kinds import Incident, incident, incident_table

__all__ = ["Incident", "incident", "incident_table"]
