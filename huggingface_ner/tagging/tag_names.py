"""Reads the names of a head's outputs as tags; a tag is a prefix (O, B, I, E or S) and a label.

Models on the Hub spell tags in many ways: ``B-PER``, ``PER-B``, ``B_PER``, ``L-PER`` for ``E-PER``, or ``PER``
without a prefix. Some have another name for the outside tag, or outputs that mark padding or word pieces.
"""

import re
from collections.abc import Sequence

# A prefix and a label; the label is "" for OUTSIDE and UNUSED.
Tag = tuple[str, str]

OUTSIDE = "O"
# The prefix of an output that marks padding, word pieces or special tokens; no word can have this tag.
UNUSED = "-"
# The label to use if the names of a head's outputs are only B, I and O.
ONLY_LABEL = "ENTITY"

# Other schemes have other prefixes: BILOU has last and unit, BMES has middle, BIOW has whole.
_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I", "W": "S"}
_AFFIX = rf"(?P<prefix>[{''.join(_PREFIXES)}])"
_FORMS = tuple(
    re.compile(form, re.DOTALL | re.IGNORECASE)
    for form in (rf"{_AFFIX}[-_./:|](?P<label>.+)", rf"(?P<label>.+)[-_./:|]{_AFFIX}", rf"{_AFFIX}(?P<label>)")
)
# Names of the outside tag, in lower case, reduced to letters and digits; the most certain names come first.
_OUTSIDE_NAMES = (
    *("o", "outside", "out", "0", "", "none", "null", "nil", "no"),
    *("noentity", "nonentity", "notentity", "notanentity", "nolabel", "unlabeled", "unlabelled", "background"),
    *("others", "other"),
)
_UNUSED_NAME = re.compile(
    r"\[.*\]|<.*>|\{.*\}|#+|__\w+__|-100|_?(pad|padding|cls|sep|unk|mask|bos|eos)_?", re.DOTALL | re.IGNORECASE
)
# Outputs with these names mark word pieces or tokens to ignore. One of them can be the outside tag if no other
# output can.
_IGNORED_NAMES = ("x", "ignore", "ignored", "ign", "special", "specialtoken", "dummy", "subword", "wordpiece")


def read_tags(names: Sequence[str]) -> tuple[Tag, ...]:
    """Return the tag of each output of a head.

    If some names have prefixes, a name without one is the outside tag if it is a usual name of that tag (OTHER,
    NONE, 0, _) or the only name without a prefix. Otherwise it is a separate label. If no name has a prefix, every
    name is a label with the prefix I, except a usual name of the outside tag. LABEL_0, LABEL_1 ... are labels too,
    because nothing says which of them is outside. Labels that match none of the labelling config are never
    suggested.
    """
    names = [name.strip() for name in names]
    affixed = _affixed(names)
    bare = [name for name in names if name not in affixed and not _UNUSED_NAME.fullmatch(name)]
    outside = _outside(bare, sole=bool(affixed))

    def tag(name: str) -> Tag:
        if name == outside:
            return OUTSIDE, ""
        if name in affixed:
            return affixed[name] if affixed[name][1] != OUTSIDE else (OUTSIDE, "")
        if name not in bare or _letters(name) in _IGNORED_NAMES:
            return UNUSED, ""
        return "I", name

    return tuple(tag(name) for name in names)


def _affixed(names: Sequence[str]) -> dict[str, Tag]:
    """Return the tags of the names with a prefix or suffix, in the form that gives the fewest labels."""
    readings = [reading for form in _FORMS if (reading := _in_form(names, form))]
    # S-B and S-I are one label, S, with two suffixes, and not two labels with the prefix S
    return min(readings, key=lambda reading: len({label for _, label in reading.values()}), default={})


def _in_form(names: Sequence[str], form: re.Pattern[str]) -> dict[str, Tag]:
    """Return the tags of the names that match a form; none if they match by chance, like E-MAIL beside PHONE."""
    tags = {
        name: (_PREFIXES[match["prefix"].upper()], match["label"] or ONLY_LABEL)
        for name in names
        if (match := form.fullmatch(name)) and name != OUTSIDE
    }
    rest = [name for name in names if name not in tags and not _is_known(name)]
    labels = {label for _, label in tags.values()}
    paired = len(set(tags.values())) > len(labels) or {prefix for prefix, _ in tags.values()} <= {"B", "I"}
    return tags if not rest or (paired and len(rest) < len(tags)) else {}


def _outside(bare: Sequence[str], *, sole: bool) -> str | None:
    """Return the outside tag among the names without a prefix; None if there is none.

    sole: whether a name that is the only one without a prefix is the outside tag, whatever the name is.
    """
    if not all(name.isdecimal() for name in bare) or sole:
        known = [name for known in _OUTSIDE_NAMES for name in bare if _letters(name) == known]
        if known:
            return known[0]
    others = [name for name in bare if _letters(name) not in _IGNORED_NAMES]
    if sole and len(others) == 1:
        return others[0]
    ignored = [name for name in bare if _letters(name) in _IGNORED_NAMES]
    return ignored[0] if len(ignored) == 1 and not (sole and others) else None


def _is_known(name: str) -> bool:
    letters = _letters(name)
    return bool(_UNUSED_NAME.fullmatch(name)) or letters in _OUTSIDE_NAMES or letters in _IGNORED_NAMES


def _letters(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
