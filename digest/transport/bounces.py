"""placeholder until the reader arrives"""

from digest.models import Bounce, BounceKind


def kind_of(status: str, reply: str) -> BounceKind:
    return BounceKind.HARD if status in {"5.1.1", "5.1.2", "5.1.3", "5.2.1"} else BounceKind.SOFT


def read(message: bytes) -> tuple[Bounce, ...]:
    raise NotImplementedError
