"""The test kit of the promise that messages leave once: servers that misbehave, killed processes, and the count."""
