"""Settings tried without YAML, `--set network.winner_density=0.1`: read and checked; their results lie apart.

They hold over all that config/ declares, but for what a search varies. Their runs have another settings hash, and lie
where nothing takes them for those of a published configuration.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

from active_dendrites.settings.run import check_values, run_keys
from active_dendrites.settings.yaml_files import Setting, Settings, check_known, fault, parse_value

SET = "--set"  # where such a setting was written
LONGEST_NAME = 80  # of a folder


def given_settings(texts: Iterable[str], source: str = SET, within: str = "") -> Settings:
    """Settings by dotted key, from KEY=VALUE; a text may hold several, with blanks between them.

    Args:
        source, within: where they were written, if not as an option `--set`: file and key.
    Raises: ConfigError for what is no such text, an unknown or repeated key, and a value that no run can have.
    """
    given: Settings = {}
    for pair in (pair for text in texts for pair in text.split()):
        key, equals, value = pair.partition("=")
        if not key or not equals or not value:
            raise fault(source, within, "KEY=VALUE, such as network.winner_density=0.1", value=pair)
        where = f"{within}.{key}" if within else key
        if key in given:
            raise fault(source, where, "it once", found="it twice")
        given[key] = Setting(parse_value(value, source, where), source, where)
    check_known(given, [f"{section}.{key}" if section else key for section, key in run_keys()])
    check_values(given)
    return given


def given_name(given: Settings) -> str:
    """A folder's name that says which settings, in one order: epochs-2+network.winner_density-0.1."""
    text = "+".join(f"{key}-{given[key].value}" for key in sorted(given))
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text)
    if name != text or len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}-{sha256(text.encode()).hexdigest()[:8]}"
    return name
