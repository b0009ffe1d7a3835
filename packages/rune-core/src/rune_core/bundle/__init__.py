"""Policies of a server: fetched, verified, activated, kept, and what is said back about them."""
