"""`make bench`: what Tallyroll reaches on this machine, beside its limit and the plain way.

Every part checks its totals, in the log or in the database: a figure of a run that lost something
is none.
"""
