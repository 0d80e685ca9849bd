"""Where tokens were saved, wasted or could be cheaper: exact, and every assumption stated."""
