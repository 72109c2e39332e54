"""The outside world for messages: what each channel accepts, how it is spoken to and what it answers."""
