"""Policy: YAML files that say what is done about what was found."""
