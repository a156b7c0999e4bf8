"""Ranks: several processes that train one LoRA together, each with its share of every batch. Alone is the default.

They speak through accelerate's own functions only. Every exchange begins with the same small table, to which a rank
that failed adds its error instead of its value: so the others learn of it wherever they wait, and none waits for ever.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..messages import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Item = TypeVar("Item")
_BUCKET_NUMBERS = 1 << 24
"""How many gradients travel at once: enough to fill a link, and 64 MB of memory."""
_PATIENCE = datetime.timedelta(hours=6)
"""How long a rank waits for another: the first one alone may have to fetch a model or to encode thousands of photos."""


class SharedError(UserError):
    """An error that every rank has been told of, so that all of them end."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """One process alone: every slot is its own, and it waits for nobody."""

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.index == 0

    @property
    def device(self) -> torch.device | None:
        """The device that the launcher gave this process; None where nobody did."""
        return None

    def share(self, slots: Sequence[Item]) -> Sequence[Item]:
        """This rank's part of the slots of a global batch: every `count`-th, from its own index on."""
        return slots[self.index :: self.count]

    def agree(self, value: int) -> int:
        """The first rank's value, on every rank. Raises SharedError on all of them where one has failed."""
        return value

    def wait(self) -> None:
        """Go on when all have come here. Raises SharedError on all of them where one has failed."""

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Put into tensors of one dtype their mean over the ranks. Raises SharedError on all where one has failed."""

    def joined(self, numbers: Sequence[float]) -> list[float]:
        """A number for each of the global batch's slots, in order, from each rank's numbers for its share."""
        return list(numbers)

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Within it the first rank works alone; the others follow and find its files made."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around all the work: an error of one rank ends all of them, the first rank with the message to show."""
        yield

    def leave(self) -> None:
        """At the very end, when everything is said: a launcher ends all processes as soon as one has gone."""


ALONE = Ranks()


@dataclass(frozen=True, kw_only=True)
class LaunchedRanks(Ranks):
    """One of several processes that `accelerate launch` started."""

    launched_device: torch.device

    @property
    def device(self) -> torch.device:
        """The device that the launcher gave this process."""
        return self.launched_device

    def agree(self, value: int) -> int:
        """See Ranks."""
        return self._exchange(value)[0]

    def wait(self) -> None:
        """See Ranks."""
        self._exchange(0)

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """See Ranks."""
        import torch
        from accelerate.utils import reduce

        self._exchange(0)
        for bucket in _buckets(tensors):
            flat = reduce(torch.cat([tensor.detach().reshape(-1) for tensor in bucket]), reduction="mean")
            for tensor, mean in zip(bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True):
                tensor.detach().copy_(mean.view_as(tensor))

    def joined(self, numbers: Sequence[float]) -> list[float]:
        """See Ranks."""
        import torch
        from accelerate.utils import gather

        self._exchange(0)
        mine_1N = torch.tensor([list(numbers)], dtype=torch.float64, device=self.device)
        return gather(mine_1N).T.flatten().tolist()

    @contextmanager
    def together(self) -> Iterator[None]:
        """See Ranks."""
        try:
            yield
        except SharedError:
            raise
        except Exception as error:
            self._exchange(0, error)
            raise

    def leave(self) -> None:
        """See Ranks."""
        from accelerate import PartialState

        PartialState().wait_for_everyone()
        PartialState().destroy_process_group()

    def _exchange(self, value: int, error: Exception | None = None) -> list[int]:
        """The values of all ranks by index; where ranks failed, the error of the lowest of them on all the others."""
        import torch
        from accelerate.utils import gather

        told = _as_bytes(error, self.index) if error else b""
        table_R2 = gather(torch.tensor([[value, len(told)]], dtype=torch.int64, device=self.device)).tolist()
        longest = max(length for _, length in table_R2)
        if longest:
            padded = torch.tensor([list(told.ljust(longest))], dtype=torch.uint8, device=self.device)
            sentences_RN = gather(padded).tolist()
            if error is None:
                failed = next(index for index, (_, length) in enumerate(table_R2) if length)
                raise _from_bytes(bytes(sentences_RN[failed]))
        return [value for value, _ in table_R2]


def launched_ranks() -> Ranks:
    """This process's place among those that a launcher started with it; alone where none did.

    Launchers leave WORLD_SIZE in the environment. Without CUDA, or with ACCELERATE_USE_CPU, the ranks train on the CPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    fastest = not on_cpu and torch.distributed.is_nccl_available()  # Windows has no NCCL
    state = PartialState(cpu=on_cpu, backend="nccl" if fastest else "gloo", timeout=_PATIENCE)
    return LaunchedRanks(index=state.process_index, count=state.num_processes, launched_device=state.device)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in groups of at most 64 MB of fp32, or of one larger tensor."""
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and size + tensor.numel() > _BUCKET_NUMBERS:
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket


def _as_bytes(error: Exception, rank_index: int) -> bytes:
    """An error as JSON: its sentence where it is one for users, else which rank met it."""
    if isinstance(error, UserError):
        told = {"key": error.message.key, "values": dict(error.message.values)}
    else:
        reason = f"{type(error).__name__}: {error}"
        told = {"key": "train.rank_failed", "values": {"rank": rank_index, "reason": reason}}
    return json.dumps(told, default=str).encode("ascii")


def _from_bytes(told: bytes) -> SharedError:
    """The error that `_as_bytes` told of; JSON lets the blanks that padded it be."""
    error = json.loads(told)
    return SharedError(error["key"], **error["values"])
