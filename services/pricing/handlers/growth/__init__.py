"""Questions about growth: one snapshot is read, the domain answers."""
