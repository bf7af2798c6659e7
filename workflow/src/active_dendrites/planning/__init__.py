"""What a plan costs and what it would delete."""
