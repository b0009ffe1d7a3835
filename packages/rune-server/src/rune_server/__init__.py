"""The Rune platform: edge, analytics, policies, alerts, accounts and dashboard."""
