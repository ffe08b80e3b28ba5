"""Every kernel, one file each; `KERNELS` is the list that the planner reads."""

from __future__ import annotations

from apisec_otel.plan.kernel import Kernel
from apisec_otel.plan.kernels.always import ALWAYS
from apisec_otel.plan.kernels.apply import APPLY
from apisec_otel.plan.kernels.conduct import CONDUCT
from apisec_otel.plan.kernels.count import COUNT
from apisec_otel.plan.kernels.distinct import DISTINCT
from apisec_otel.plan.kernels.fold import FOLD
from apisec_otel.plan.kernels.half_space_trees import HALF_SPACE_TREES
from apisec_otel.plan.kernels.last import LAST, LAST_ID
from apisec_otel.plan.kernels.model import MODEL
from apisec_otel.plan.kernels.novelty import NOVELTY
from apisec_otel.plan.kernels.owner import OWNER
from apisec_otel.plan.kernels.quantile import QUANTILE
from apisec_otel.plan.kernels.since import SINCE
from apisec_otel.plan.kernels.streak import STREAK
from apisec_otel.plan.kernels.surprise import SURPRISE
from apisec_otel.plan.kernels.tail import TAIL
from apisec_otel.plan.kernels.total import TOTAL
from apisec_otel.plan.kernels.trw import TRW

_ALL = (
    *(COUNT, TOTAL, DISTINCT, TRW, QUANTILE, TAIL),
    *(NOVELTY, ALWAYS, OWNER),
    *(STREAK, LAST, LAST_ID, SINCE, SURPRISE),
    *(HALF_SPACE_TREES, CONDUCT),
)

KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in _ALL}

OUTSIDE: dict[str, Kernel] = {kernel.name: kernel for kernel in (FOLD, MODEL, APPLY)}
"""What Python answers."""
