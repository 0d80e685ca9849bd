"""The roster of agents: what each used, cost and brought in."""
