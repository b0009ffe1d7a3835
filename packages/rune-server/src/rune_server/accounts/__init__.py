"""Organisations, their members, invitations, plans and regions."""
