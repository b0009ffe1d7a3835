"""Layers: each looks at one text and returns findings and a report of whether it really ran."""
