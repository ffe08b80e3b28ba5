"""All attacks of the catalogue, and when each happens."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from examples.lab.attacks import access, automation, egress, injection, objects, posture, resources, scanning, sign_in
from examples.lab.attacks.scene import HOURS, REGISTRY, STRENGTHS, Attack, Scene
from examples.lab.people.visit import Steps
from examples.lab.simulation import START, Simulation

if TYPE_CHECKING:
    from examples.lab.lab import Setting

FAMILIES = (injection, egress, access, objects, sign_in, resources, automation, scanning, posture)
ATTACKS = dict(REGISTRY)
"""By their id in the catalogue."""


def campaigns(place: Simulation, setting: Setting, day: int) -> Iterator[tuple[float, Steps]]:
    """The campaigns of a day in a place: when each begins (seconds since the epoch), and what is asked.

    Each attack happens once a day at each strength, in one of the places where it can.
    """
    for id in sorted(setting.attacks):
        attack = ATTACKS[id]
        fit = [name for name in setting.places if not attack.place or name in attack.place]
        for number, strength in enumerate(STRENGTHS):
            if strength not in attack.strengths or strength not in (setting.strengths or STRENGTHS) or not fit:
                continue
            chance = Random(f"{setting.seed}/{id}/{strength}/{day}")
            if fit[(sorted(ATTACKS).index(id) + number + day) % len(fit)] == place.api.name:
                yield _campaign(place, attack, strength, chance, day)


def _campaign(place: Simulation, attack: Attack, strength: str, chance: Random, day: int) -> tuple[float, Steps]:
    first, last = HOURS[strength]
    scene = Scene(place.place, attack.id, strength, f"{attack.id} {strength} day {day + 1}", chance)
    return START + day * 86_400 + chance.uniform(first, last) * 3600, scene.steps(attack.play(scene))
