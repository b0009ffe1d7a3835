"""Events: what is recorded of a decision. Metadata only, in a closed schema."""
