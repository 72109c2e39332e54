"""Messages: sender accounts, drafts, the gate, sending, conversations."""
