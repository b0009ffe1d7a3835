"""A demo organisation for the dashboard, and pictures of every page."""
