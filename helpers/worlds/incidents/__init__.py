"""What can go wrong in a world: by name, month and size, each with its truth.

kinds            every incident: name, sizes, cause
effects          what an incident does to tables, with a note of every row
shop, operator   which tables of each business it touches
"""

from helpers.worlds.incidents.kinds import (
    Incident,
    incident,
    incident_table,
    incidents,
    variation_table,
)

__all__ = ["Incident", "incident", "incident_table", "incidents", "variation_table"]
