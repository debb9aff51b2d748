"""How mail reaches its readers."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from digest.models import Message, Receipt


class Transport(Protocol):
    """A way out. Used from one thread at a time."""

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """Hand over each message and yield the other side's word on each, in any order.

        Messages are taken as they are needed, in the calling thread. A message that is refused does not stop the
        others. Raises TransportError when none can be handed over any more; what then has no receipt was not taken.
        """
        ...
