"""The client's address, which trusted proxies forward.

uvicorn's ProxyHeadersMiddleware is not used: it passes on what is no address, and writes IPv6 addresses in any form.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The client's address. `peer` is the other end of the connection, `forwarded` the X-Forwarded-For headers.

    Each proxy appends the address that it was asked from. So they are read from the right, and only while the proxy
    that added one is trusted: anything further left may be forged.
    """
    client = _normal(peer)
    for hop in reversed(",".join(forwarded).split(",")):
        said = _normal(hop.strip())
        if not (client and said) or not any(ip_address(client) in network for network in trusted):
            break
        client = said
    return client or "an unknown address"


def client_of(request: Request, trusted: Networks) -> str:
    """The address of the client that sent a request."""
    peer = request.client.host if request.client is not None else ""
    return client_address(peer, request.headers.getlist("X-Forwarded-For"), trusted)


def _normal(written: str) -> str:
    """An address in its shortest form; "" for anything else."""
    try:
        address = ip_address(written)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # IPv4 on a socket that listens on ::
        address = address.ipv4_mapped
    return str(address)
