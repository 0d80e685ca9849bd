"""What growth is made of: factors, cohorts, contributions, what training changed."""
