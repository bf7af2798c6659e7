"""Dispatch on a setting that is one of several words.

Each piece of code that does one thing or another, as a setting says, names the words that it knows. A word that the
schema has, or will have, and such a code has not, is then refused, and never taken for another.
"""

from typing import TypeVar

from active_dendrites.settings.yaml_files import fault, one_of

T = TypeVar("T")


def choose(setting: str, word: object, /, **meanings: T) -> T:
    """What a word means to the caller: `choose("context.kind", kind, none=0, task_prototype=1)`.

    Args:
        setting: its dotted name.
        word: its value.
        meanings: of all words that the caller knows.
    Raises: ConfigError, in one line, for any other word.
    """
    if not isinstance(word, str) or word not in meanings:
        raise fault(setting, "", one_of(word, meanings), value=word)
    return meanings[word]
