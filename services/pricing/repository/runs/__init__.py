"""The SQL of runs: storing, what their usage cost, figures of agents, and trees."""
