"""Contracts and plumbing that every service uses; decides nothing about money owed."""
