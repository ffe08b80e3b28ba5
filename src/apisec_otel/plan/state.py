"""`state`: everything that remembers. Tallies answer with the row counted; baselines answer first and learn when a window closes."""

from __future__ import annotations

from apisec_otel.plan.kernel import Memory
from apisec_otel.plan.kernels import always as _always
from apisec_otel.plan.kernels import apply as _apply
from apisec_otel.plan.kernels import conduct as _conduct
from apisec_otel.plan.kernels import count as _count
from apisec_otel.plan.kernels import distinct as _distinct
from apisec_otel.plan.kernels import fold as _fold
from apisec_otel.plan.kernels import last as _last
from apisec_otel.plan.kernels import model as _model
from apisec_otel.plan.kernels import novelty as _novelty
from apisec_otel.plan.kernels import owner as _owner
from apisec_otel.plan.kernels import quantile as _quantile
from apisec_otel.plan.kernels import rate as _rate
from apisec_otel.plan.kernels import since as _since
from apisec_otel.plan.kernels import streak as _streak
from apisec_otel.plan.kernels import surprise as _surprise
from apisec_otel.plan.kernels import tail as _tail
from apisec_otel.plan.kernels import total as _total
from apisec_otel.plan.kernels import trw as _trw


class State(Memory):
    """The whole vocabulary of memory, one line a kernel."""

    count = _count.count
    total = _total.total
    distinct = _distinct.distinct
    rate = _rate.rate
    trw = _trw.trw
    streak = _streak.streak
    last = _last.last
    since = _since.since
    quantile = _quantile.quantile
    tail = _tail.tail
    novelty = _novelty.novelty
    always = _always.always
    owner = _owner.owner
    surprise = _surprise.surprise
    fold = _fold.fold
    model = _model.model
    apply = _apply.apply
    conduct = _conduct.conduct
