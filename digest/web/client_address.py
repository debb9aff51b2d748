"""Whose request it is: the address it came from, or the one that a proxy of ours tells."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The address of who asks. `peer` is at the other end of the connection, `forwarded` the X-Forwarded-For headers.

    Each proxy adds at the right whom it was asked by, so they are read from there, and only as far as who says so is
    trusted: what stands further left may be anybody's invention.
    """
    client = _normal(peer)
    for hop in reversed(",".join(forwarded).split(",")):
        said = _normal(hop.strip())
        if not (client and said) or not any(ip_address(client) in network for network in trusted):
            break
        client = said
    return client or "an unknown address"


def asking(request: Request, trusted: Networks) -> str:
    """The address of who sent a request."""
    peer = request.client.host if request.client is not None else ""
    return client_address(peer, request.headers.getlist("X-Forwarded-For"), trusted)


def _normal(written: str) -> str:
    """An address as it is written shortest; "" for anything else."""
    try:
        address = ip_address(written)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # who listens on :: sees IPv4 so
        address = address.ipv4_mapped
    return str(address)
