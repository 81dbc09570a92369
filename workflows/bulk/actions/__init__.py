"""What can be done to many rows: each module registers its actions."""

from workflows.bulk.actions import exports, people, rescoring, runs, sign_ins

__all__ = ["exports", "people", "rescoring", "runs", "sign_ins"]
