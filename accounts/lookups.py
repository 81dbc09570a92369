"""``ip_address__within=network``: addresses of a network, found by an index over them where there is one."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import GenericIPAddressField, Lookup
from django.dispatch import receiver

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(text: str) -> Network:
    """An address is a network of one; bits behind the prefix say nothing. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which one machine alone knows")
    return ipaddress.ip_network(text, strict=False)


@GenericIPAddressField.register_lookup
class Within(Lookup):
    """Of an ``ipaddress.ip_network`` or its text; ValueError where it is none."""

    lookup_name = "within"
    rhs: Network

    def get_prep_lookup(self) -> Network:
        return network_of(str(self.rhs))

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """SQLite keeps addresses as text, in no useful order."""
        address, params = self.process_lhs(compiler, connection)
        return f"ip_within({address}, %s)", (*params, str(self.rhs))

    def as_postgresql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        address, params = self.process_lhs(compiler, connection)
        first, last = str(self.rhs.network_address), str(self.rhs.broadcast_address)
        return f"({address} >= %s::inet AND {address} <= %s::inet)", (*params, first, *params, last)


@receiver(connection_created)
def on_connection_created(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor == "sqlite":
        connection.connection.create_function("ip_within", 2, _ip_within, deterministic=True)


def _ip_within(address: str | None, network: str) -> bool | None:
    return None if address is None else ipaddress.ip_address(address) in ipaddress.ip_network(network)
