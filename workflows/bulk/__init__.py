"""Bulk jobs: what an operator has done to a selection of any size, in the workers (docs/bulk-jobs.md)."""
