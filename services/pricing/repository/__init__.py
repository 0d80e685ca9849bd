"""The only SQL of pricing; everything is looked up by vendor and mode first."""
