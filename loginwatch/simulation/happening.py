"""What happens in a simulated site on one day: who signs in when, from where and with what, and who tries to."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from random import Random
from typing import NamedTuple

from loginwatch.simulation.cast import CHROME_ON_LINUX, Cast, Machine, Network, Person, hotel

DAY = 24 * 3600.0
WEEKEND = 0.35
# Of a person's sign-ins: behind a typing error; with cookies deleted since. Of their days: a journey begins, a new
# machine is there.
MISTYPED, COOKIES_GONE = 0.04, 0.01
JOURNEY, NEW_MACHINE = 0.01, 0.002
# Of a site's days for each thousand people: a password is guessed, a list of stolen passwords is tried, a cookie is
# copied. Of those attempts, so many get in.
GUESSERS, STUFFERS, THIEVES = 0.4, 0.15, 0.15
GUESSED, STUFFED = 0.05, 0.004
ATTACKER = ("Chrome", "Linux", CHROME_ON_LINUX)
ATTACKERS_FROM = [("RU", "Moscow"), ("US", "Dallas"), ("NL", "Amsterdam"), ("VN", "Hanoi")]


class Visit(NamedTuple):
    """A sign-in, or where it ``failed`` an attempt at one. ``at`` is seconds since the day began.

    ``cookie`` is what the browser brings: "" for none.
    """

    at: float
    person: Person
    machine: Machine
    network: Network
    cookie: str = ""
    failed: bool = False
    is_attack: bool = False


def visits_on(day: int, weekday: int, people: list[Person], random: Random) -> list[Visit]:
    """All of one day, in the order in which they come. ``weekday`` is 0 on Monday."""
    visits: list[Visit] = []
    for person in people:
        _begin_day(person, day, random)
        visits.extend(_visits_of(person, weekday, random))
    for attack, share in ((_guess, GUESSERS), (_stuff, STUFFERS), (_steal, THIEVES)):
        expected = share * len(people) / 1000
        for _ in range(int(expected) + (random.random() < expected % 1)):
            visits.extend(attack(people, random))
    return sorted(visits, key=attrgetter("at"))


def _begin_day(person: Person, day: int, random: Random) -> None:
    if person.away and day >= person.back_on:
        person.away = None
    elif not person.away and random.random() < JOURNEY:
        person.away, person.back_on = hotel(random), day + random.randrange(2, 10)
    if random.random() < NEW_MACHINE:
        # The oldest of a kind is given away.
        old = random.choice(person.machines)
        person.machines.remove(old)
        fresh = Cast(random.getrandbits(32), 1).person(0).machines[-1 if old.is_phone else 0]
        person.machines.append(fresh)


def _visits_of(person: Person, weekday: int, random: Random) -> Iterator[Visit]:
    habit = person.habit * (WEEKEND if weekday >= 5 else 1.0)
    for _ in range(int(habit) + (random.random() < habit % 1)):
        machine = random.choice(person.machines)
        at = ((person.awake + random.triangular(0, 15, 3)) * 3600) % DAY
        network = _network_for(person, machine, weekday, random)
        if random.random() < MISTYPED:
            for slip in range(random.choice((1, 1, 2))):
                yield Visit(max(0.0, at - 20 * (slip + 1)), person, machine, network, failed=True)
        # Which cookie it has by then, only the story's order tells: " " stands for the latest.
        yield Visit(at, person, machine, network, cookie="" if random.random() < COOKIES_GONE else " ")


def _network_for(person: Person, machine: Machine, weekday: int, random: Random) -> Network:
    if person.away:
        return person.away
    if machine.is_phone and random.random() < 0.5:
        return person.carrier
    return person.work if weekday < 5 and random.random() < 0.6 else person.home


def _attacker(random: Random) -> tuple[Machine, Network]:
    country, place = random.choice(ATTACKERS_FROM)
    prefix = f"198.19.{random.randrange(256)}."
    return Machine(*ATTACKER, is_phone=False), Network(prefix, f"{prefix}0/24", country, place)


def _guess(people: list[Person], random: Random) -> Iterator[Visit]:
    """One account, many passwords."""
    person, (machine, network) = random.choice(people), _attacker(random)
    began = random.uniform(0, DAY - 4000)
    attempts = random.randrange(20, 150)
    for number in range(attempts):
        yield Visit(began + number * 20, person, machine, network, failed=True, is_attack=True)
    if random.random() < GUESSED:
        yield Visit(began + attempts * 20, person, machine, network, is_attack=True)


def _stuff(people: list[Person], random: Random) -> Iterator[Visit]:
    """Many accounts, the password that each had elsewhere."""
    machine, network = _attacker(random)
    began = random.uniform(0, DAY - 4000)
    for number, person in enumerate(random.sample(people, min(len(people), random.randrange(50, 300)))):
        got_in = random.random() < STUFFED
        yield Visit(began + number * 3, person, machine, network, failed=not got_in, is_attack=True)


def _steal(people: list[Person], random: Random) -> Iterator[Visit]:
    """A copied cookie: its owner has used it up meanwhile, and the thief's machine is of another kind."""
    known = [person for person in random.sample(people, min(len(people), 50)) if person.machines[0].old_token]
    if known:
        person, (machine, network) = known[0], _attacker(random)
        cookie = person.machines[0].old_token
        yield Visit(random.uniform(0, DAY), person, machine, network, cookie=cookie, is_attack=True)
