"""Who somebody is: passwords, sessions, OAuth, second factor, API keys."""
