"""A training that ends itself, for tests of what goes on from it."""

from active_dendrites.training.interruptions import Keeper
from active_dendrites.training.state import Course


class Stopping(Keeper):
    """Ends a training after so many steps of this process."""

    def __init__(self, *arguments, after: int, **options) -> None:
        super().__init__(*arguments, **options)
        self.left = after

    def between_steps(self, course: Course) -> None:
        self.left -= 1
        if not self.left:
            self.asked = "a test wants it to"
        super().between_steps(course)
