"""What the commands do: configs in, run folders out. The one room that joins all others."""
