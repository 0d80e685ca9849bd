"""Pricing turns counted usage into rated statements, with versioned price books."""
