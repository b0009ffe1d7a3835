"""Measurements of Rune: detection, speed, and how it fares beside its peers."""
