"""What `resray compare` has beside the report: conditions for CI, printed tables, JSON."""
