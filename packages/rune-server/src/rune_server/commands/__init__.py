"""The server's commands, one module each. Nothing heavy is imported before one runs."""
