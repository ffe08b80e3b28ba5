"""The plan, row by row: what any executor must answer."""

from apisec_otel.testing.reference.plan.run import Reference, ReferenceAnswers

__all__ = ["Reference", "ReferenceAnswers"]
