"""Support staff, who read many people's things because that is their work."""

from __future__ import annotations

from examples.lab.people.visit import Steps, Visit

CASES = {"shop": 30, "bank": 28, "saas": 22}
"""Of a shift."""


def support(visit: Visit) -> Steps:
    """A shift: one customer after the other, each one's details, orders, accounts or issues."""
    chance, place = visit.chance, visit.place.api.name
    yield from visit.sign_in()
    customers = visit.place.people.owners(("shopper", "app", "customer", "member"))
    for _ in range(CASES[place]):
        yield from visit.fresh()
        case = chance.choice(customers)
        yield visit.pause(300, 0.7), visit.call("admin_list", query=f"q={case.user}")
        if place == "saas":
            for issue in chance.sample(case.objects, min(len(case.objects), chance.randint(1, 4))):
                yield visit.pause(30), visit.call("GET /admin/tenants/{tenant}/issues/{id}", case.tenant, issue)
            continue
        one = "GET /api/admin/users/{id}" if place == "shop" else "GET /v1/admin/customers/{id}"
        yield visit.pause(5), visit.call(one, case.user)
        for number in chance.sample(case.objects, min(len(case.objects), chance.randint(1, 4))):
            yield visit.pause(25), visit.call("GET /api/admin/orders/{id}" if place == "shop" else "GET /v1/accounts/{id}", number)
