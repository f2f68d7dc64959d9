"""What a run leaves in its directory: results.json, results.md and plots."""
