"""The interface for a team's own trainers, at the path that it has in the wheel."""
