"""What the assistant can do: one small file a kind of action."""
