"""Early stopping on validation scores at full precision."""

from dataclasses import dataclass
from math import inf


@dataclass
class EarlyStopping:
    """Counts the evaluations since the best one.

    patience: evaluations without improvement before training is over.
    best: the epoch of the best score, 0 before there is one.
    """

    patience: int
    best: int = 0
    score: float = -inf
    waited: int = 0

    def improved(self, number: int, score: float) -> bool:
        """Take the score of an epoch and return whether it is the best so far; NaN never is."""
        if score > self.score:
            self.best, self.score, self.waited = number, score, 0
            return True
        self.waited += 1
        return False

    @property
    def over(self) -> bool:
        """Whether the patience is at its end."""
        return self.waited >= self.patience
