"""One contest held: the systems work in turn, so that whatever slows the machine slows all."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.speed.contests import Contest, Entry
from benchmarks.speed.turns import AbsentError, Contestant, Job, Turn


@dataclass(frozen=True)
class Result:
    """What one system took.

    rounds: seconds a unit (epoch, ranking) in each round; none where it did not run, and `note`
        says why.
    ready_seconds, ready_mb: the preparation, and the most memory held by its end.
    peak_mb: the most memory held at all, MiB.
    """

    contest: str
    system: str
    rounds: tuple[float, ...] = ()
    ready_seconds: float | None = None
    ready_mb: float | None = None
    peak_mb: float | None = None
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """The median of the rounds."""
        return median(self.rounds) if self.rounds else None


def hold(contest: Contest, job: Job, rounds: int) -> list[Result]:
    """Time the systems of a contest: a turn each to warm up, then `rounds` in turn.

    Systems that take part in a few rounds only are not warmed up.
    """
    job = replace(job, model=contest.model, task=contest.task)
    with ExitStack() as stack:
        running = [(entry, _started(entry, job, stack)) for entry in contest.entries]
        ready = {entry.name: _ready(who) for entry, who in running}
        present = [(e, who) for e, who in running if isinstance(ready[e.name], Turn)]
        turns: dict[str, list[Turn]] = {entry.name: [] for entry, _ in present}
        for entry, who in present:
            if entry.most is None:
                who.turn(1)
        for number in range(rounds):
            for entry, who in present:
                if entry.most is None or number < entry.most:
                    turns[entry.name].append(who.turn(contest.units))
    return [_result(contest.name, e.name, ready[e.name], turns) for e in contest.entries]


def _started(entry: Entry, job: Job, stack: ExitStack) -> Contestant:
    who = Contestant.start(entry.name, entry.system, replace(job, options=entry.options))
    stack.callback(who.stop)
    return who


def _ready(who: Contestant) -> Turn | str:
    try:
        return who.ready()
    except (AbsentError, RuntimeError) as missing:
        return str(missing).strip().splitlines()[-1]


def _result(contest: str, name: str, ready: Turn | str, turns: dict[str, list[Turn]]) -> Result:
    if isinstance(ready, str):
        return Result(contest, name, note=ready)
    took = tuple(median(turn.seconds) for turn in turns[name])
    return Result(contest, name, took, ready.seconds[0], ready.memory_mb, turns[name][-1].memory_mb)


def ratio(result: Result, to: Result) -> float | None:
    """Return how many times the seconds of `to` a system took: the median of rounds side by side.

    Both worked in the same round, so what slowed the machine in it cancels.
    """
    pairs = list(zip(result.rounds, to.rounds, strict=False))
    return median(one / other for one, other in pairs) if pairs else None
