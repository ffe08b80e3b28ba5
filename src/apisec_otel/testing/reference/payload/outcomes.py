"""Bounded sets of outcomes with their counts, and what follows from them by Good and Turing.

Beyond the page: at one observation in eight, one that finds no room takes one from each outcome it passes that was seen less than
eight times. Without that a set that is full of what came twice would never change again. That counters are halved together at
60,000 observations is not here.
"""

from __future__ import annotations


class Outcomes:
    """At most `slots` outcomes; one that does not fit takes the place of one that was seen once."""

    def __init__(self, slots: int) -> None:
        self.slots, self.counts, self.order, self.singles, self.hand = slots, dict[int, int](), list[int](), 0, 0

    def rarer(self, outcome: int) -> tuple[int, bool]:
        """Observations of outcomes at most as frequent, and whether this one is known."""
        own = self.counts.get(outcome)
        if own is None:
            return self.singles, False
        return self.singles + sum(count for count in self.counts.values() if count <= own), True

    def observe(self, outcome: int, n: int) -> None:
        """Counts one; `n` is how many observations there are."""
        if outcome in self.counts:
            self.singles -= self.counts[outcome] == 1 and self.singles > 0
            self.counts[outcome] = min(65_535, self.counts[outcome] + 1)
            return
        self.singles += 1
        if len(self.order) < self.slots:
            self.order.append(outcome)
            self.counts[outcome] = 1
            return
        for _ in range(8):
            at, self.hand = self.hand, (self.hand + 1) % self.slots
            before = self.order[at]
            if self.counts[before] <= 1:
                del self.counts[before]
                self.order[at] = outcome
                self.counts[outcome] = 1
                return
            if n % 8 == 0 and self.counts[before] < 8:
                self.counts[before] -= 1
