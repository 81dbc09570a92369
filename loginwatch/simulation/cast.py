"""Who lives in a simulated site: people with their machines, places and hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from random import Random

FIRST = """
ada alan alba anna arjun astrid bela carla chen clara dario dora edgar elif emil esra farid fiona george greta
hana hugo ida ines ivan jana jonas julia kamal karin kofi lara leon lena linus lucia maya milan mina nadia nils
nora olga omar paula pavel petra ravi rosa ruth samir sara sofia tariq tess theo tilda uma vera viktor wanda
yara yusuf zoe
""".split()  # noqa: SIM905  it is read by people
LAST = """
adler baker banerjee becker bianchi brandt castro costa dahl dubois eriksen fischer fuentes garcia gruber haas
hansen ito jansen jovanovic kaya keller khan klein kowalski kumar lang larsen lopez marino mensah meyer moreau
mueller nakamura nguyen novak okafor olsen ortiz park patel petrov popov quinn rahman ricci rossi santos schmid
silva singh sato suzuki tanaka torres varga vogel wagner weber wolf yilmaz zhang ziegler
""".split()  # noqa: SIM905  it is read by people
# Country, a place in it, hours ahead of UTC; of a hundred people so many live there.
PLACES = [
    ("DE", "Berlin", 1, 30),
    ("GB", "London", 0, 18),
    ("FR", "Paris", 1, 14),
    ("PL", "Warsaw", 1, 10),
    ("IN", "Bengaluru", 5, 12),
    ("US", "Chicago", -6, 10),
    ("BR", "São Paulo", -3, 6),
]
TRAVEL = [("IT", "Rome"), ("ES", "Madrid"), ("JP", "Tokyo"), ("TR", "Istanbul"), ("CA", "Toronto"), ("KE", "Nairobi")]
# Browser, system, and its user agent for a version of the browser; of a hundred machines so many are such.
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.0"
CHROME_ON_LINUX = f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Safari/537.36"
COMPUTERS = [
    ("Chrome", "Windows", f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Safari/537.36", 46),
    ("Firefox", "Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0", 12),
    ("Firefox", "Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0", 14),
    ("Safari", "Mac OS X", f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1.15", 28),
]
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"
PHONES = [
    ("Mobile Safari", "iOS", f"{IPHONE} {_SAFARI} Mobile/15E148 Safari/604.1", 45),
    ("Chrome Mobile", "Android", f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Mobile Safari/537.36", 55),
]
# Days between two versions of a browser.
RELEASE = 28
FIRST_VERSION = 130


@dataclass(frozen=True, slots=True)
class Network:
    """Where a browser is: ``prefix`` with a last part makes an address, ``name`` is its /24 or /64."""

    prefix: str
    name: str
    country: str
    place: str


@dataclass(slots=True)
class KnownDevice:
    """A device as the site knows it. ``number`` is its key."""

    number: int
    browser: str
    os: str
    network: str
    first_sign_in: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(slots=True)
class Machine:
    """A browser of one person. ``token`` is what it was given last, ``old_token`` what it has used up."""

    browser: str
    os: str
    user_agent: str
    is_phone: bool
    token: str = ""
    old_token: str = ""
    device: KnownDevice | None = None

    def user_agent_on(self, day: int) -> str:
        return self.user_agent.format(FIRST_VERSION + day // RELEASE)


@dataclass(slots=True)
class Person:
    """``habit`` is how many sign-ins a working day has on average; ``awake`` the first hour of it, in UTC.

    What the site knows of them: ``devices``, and the ``networks`` and ``countries`` of what it did not deny.
    """

    number: int
    username: str
    home: Network
    work: Network
    carrier: Network
    machines: list[Machine]
    habit: float
    awake: int
    devices: list[KnownDevice] = field(default_factory=list)
    networks: set[str] = field(default_factory=set)
    countries: set[str] = field(default_factory=set)
    away: Network | None = None
    back_on: int = 0
    last_sign_in: datetime | None = None

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


def address_in(prefix: str, random: Random) -> str:
    last = random.randrange(1, 255)
    return f"{prefix}{last:x}" if ":" in prefix else f"{prefix}{last}"


class Cast:
    """The people of a site: each follows from the seed and a number, whoever else there is."""

    def __init__(self, seed: int, users: int) -> None:
        self._seed = seed
        self._offices = max(1, users // 40)

    def person(self, number: int) -> Person:
        random = Random(f"{self._seed} {number}")  # noqa: S311  a story, not a secret
        country, place, offset, _ = random.choices(PLACES, [share for *_, share in PLACES])[0]
        computers = [_machine(random, is_phone=False) for _ in range(random.choice((1, 1, 1, 2)))]
        phones = [_machine(random, is_phone=True) for _ in range(random.choice((0, 1, 1)))]
        return Person(
            number=number,
            username=f"{random.choice(FIRST)}.{random.choice(LAST)}.{number}",
            home=_network_of_its_own(number, country, place),
            work=office(random.randrange(self._offices), country, place),
            carrier=carrier(random.randrange(200), country, place),
            machines=computers + phones,
            habit=random.choice((0.3, 0.8, 1.0, 1.0, 1.5, 2.5)),
            awake=(7 - offset + random.randrange(3)) % 24,
        )


def office(number: int, country: str, place: str) -> Network:
    """Many people share it."""
    prefix = f"198.18.{number % 256}."
    return Network(prefix, f"{prefix}0/24", country, place)


def carrier(number: int, country: str, place: str) -> Network:
    """Telephones come from it, thousands at one address."""
    prefix = f"100.{64 + number % 64}.{number}."
    return Network(prefix, f"{prefix}0/24", country, place)


def hotel(random: Random) -> Network:
    country, place = random.choice(TRAVEL)
    prefix = f"198.19.{random.randrange(256)}."
    return Network(prefix, f"{prefix}0/24", country, place)


def _network_of_its_own(number: int, country: str, place: str) -> Network:
    prefix = f"2001:db8:{number >> 16 & 0xFFFF:x}:{number & 0xFFFF:x}::"
    return Network(prefix, f"{prefix}/64", country, place)


def _machine(random: Random, *, is_phone: bool) -> Machine:
    kinds = PHONES if is_phone else COMPUTERS
    browser, os, user_agent, _ = random.choices(kinds, [share for *_, share in kinds])[0]
    return Machine(browser, os, user_agent, is_phone)
