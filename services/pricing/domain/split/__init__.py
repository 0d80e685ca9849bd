"""A period that is rated in parts: another plan or version within it, a pause, a trial."""
