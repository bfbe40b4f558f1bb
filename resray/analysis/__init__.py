"""Numbers from results: what may be compared, what differs, and how surely."""
