"""What can be done to many rows: each module registers its actions."""

from workflows.bulk.actions import exports, people, runs, sign_ins

__all__ = ["exports", "people", "runs", "sign_ins"]
