"""What is closed at the end of a `with` block."""

from abc import ABC, abstractmethod
from typing import Self


class Closable(ABC):
    """The base class of what holds connections, files or processes until it is closed."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Release what this holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
