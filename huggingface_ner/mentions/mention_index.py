"""Counts how often each annotated string occurs in a project's annotated texts, and how often it is annotated."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from huggingface_ner.consensus import Agreement, Ballot, decide, is_contested
from huggingface_ner.label_studio.annotation_entries import AnnotationEntry, EntryText, Mention
from huggingface_ner.mentions.string_finder import StringFinder, places_of
from huggingface_ner.mentions.tallies import Place, Tally, tally_text

Tallies = Mapping[str, Tally]
"""The tallies of a string, by layer."""

# A mention with its text: the index of the text in its task, the text itself, and the mention. Two annotations of
# a task may have different texts at one index, because the text may have changed between them.
Mark = tuple[int, str, Mention]


class MentionIndex:
    """The annotations of a project, and the tallies of the strings in them.

    further: strings that are counted even if nobody has annotated them (those of a gazetteer).
    """

    def __init__(self, further: StringFinder | None = None) -> None:
        self._further = further or StringFinder()
        self._finder = StringFinder()
        self._mentioned: Counter[str] = Counter()  # string -> its number of mentions in the counted texts
        self._tallies: dict[str, dict[str, Tally]] = {}
        self._entries: dict[int, dict[int, AnnotationEntry]] = {}  # task -> annotation -> entry
        self._tasks: dict[int, int] = {}  # annotation -> task
        self._size = 0
        self._counted: dict[int, tuple[EntryText, ...]] = {}  # task -> its texts, with the mentions that count
        self._agreement = Agreement()
        self._ranks: Mapping[int, int] = {}
        self._contested: set[int] = set()  # the tasks for which consensus.is_contested is true

    def __len__(self) -> int:
        """Return the number of annotations in the index."""
        return len(self._tasks)

    @property
    def size(self) -> int:
        """The number of characters of all texts."""
        return self._size

    def change(self, put: Iterable[AnnotationEntry], removed: Iterable[int] = ()) -> None:
        """Add or replace annotations, and remove others by their ids.

        One call for many annotations is faster than a call for each.
        """
        put, removed = list(put), list(removed)
        changed = [*removed, *(entry.annotation_id for entry in put)]
        before = [self._tasks[one] for one in changed if one in self._tasks]
        tasks = dict.fromkeys([*before, *(entry.task_id for entry in put)])
        for task_id in tasks:
            self._agreement.add(self._ballots(task_id), -1)
        for annotation_id in removed:
            self._forget(annotation_id)
        for entry in put:
            self._forget(entry.annotation_id)
            self._size += sum(len(text.text) for text in entry.texts)
            self._tasks[entry.annotation_id] = entry.task_id
            self._entries.setdefault(entry.task_id, {})[entry.annotation_id] = entry
        for task_id in tasks:
            ballots = self._ballots(task_id)
            self._agreement.add(ballots)
            (self._contested.add if is_contested(ballots) else self._contested.discard)(task_id)
        ranks = self._agreement.ranks()
        if ranks != self._ranks:
            self._ranks = ranks
            tasks |= dict.fromkeys(one for one in self._contested if self._decided(one) != self._counted.get(one))
        for task_id in tasks:
            self._uncount(task_id)
        self._count(tasks)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the stretches of a text in which a known string occurs as whole words; they may overlap."""
        yield from self._finder.find(text)
        for start, end in self._further.find(text):
            if text[start:end] not in self._finder:
                yield start, end

    def tallies(self, string: str) -> Tallies:
        """Return the tallies of a known string; empty if it does not occur in annotated texts."""
        return self._tallies.get(string, {})

    def _forget(self, annotation_id: int) -> None:
        task_id = self._tasks.pop(annotation_id, None)
        if task_id is not None:
            entry = self._entries[task_id].pop(annotation_id)
            self._size -= sum(len(text.text) for text in entry.texts)
            if not self._entries[task_id]:
                del self._entries[task_id]

    def _uncount(self, task_id: int) -> None:
        counted = self._counted.pop(task_id, ())
        for text in counted:
            self._add_text(text, -1)
        for string in _strings(counted):
            self._mentioned[string] -= 1
            if not self._mentioned[string]:
                del self._mentioned[string]
                self._finder.discard(string)
                if string not in self._further:
                    self._tallies.pop(string, None)

    def _count(self, task_ids: Iterable[int]) -> None:
        counted = {task_id: self._decided(task_id) for task_id in task_ids}
        new = self._add_strings(string for texts in counted.values() for string in _strings(texts))
        for texts in self._counted.values():  # the new strings have not been counted in the other tasks yet
            for text in texts:
                places = {string: places_of(string, text.text) for string in new if string in text.text}
                self._add(text, places, 1)
        for task_id, texts in counted.items():
            if texts:
                self._counted[task_id] = texts
            for text in texts:
                self._add_text(text, 1)

    def _usable(self, task_id: int) -> list[AnnotationEntry]:
        """Return the annotations of a task that have texts and are not cancelled, the oldest first."""
        entries = self._entries.get(task_id, {}).values()
        usable = [entry for entry in entries if not entry.is_cancelled and entry.texts]
        return sorted(usable, key=lambda entry: (entry.updated_at, entry.annotation_id))

    def _ballots(self, task_id: int) -> list[Ballot[Mark]]:
        """Return a ballot for each annotation of a task; none if the task has only one annotation."""
        entries = self._usable(task_id)
        return [_ballot(entry) for entry in entries] if len(entries) > 1 else []

    def _decided(self, task_id: int) -> tuple[EntryText, ...]:
        """Return the texts of a task, with the mentions that count in each of them."""
        entries = self._usable(task_id)
        if len(entries) < 2:
            return entries[0].texts if entries else ()
        decision = decide([_ballot(entry) for entry in entries], self._ranks)
        marks: dict[tuple[int, str], list[Mention]] = {}
        for place, text, mention in decision.marks:
            marks.setdefault((place, text), []).append(mention)
        return tuple(
            replace(text, mentions=tuple(sorted(marks.get((place, text.text), ()))))
            for place, text in enumerate(entries[decision.source].texts)
        )

    def _add_strings(self, strings: Iterable[str]) -> list[str]:
        """Add the strings of mentions, and return those that have not been counted before."""
        new: list[str] = []
        for string in strings:
            if string not in self._mentioned:
                self._finder.add(string)
                if string not in self._further:
                    new.append(string)
            self._mentioned[string] += 1
        return new

    def _add_text(self, text: EntryText, weight: int) -> None:
        """Add the counts of a text; with a negative weight, subtract them."""
        places: dict[str, list[Place]] = {}
        for start, end in self.find(text.text):
            places.setdefault(text.text[start:end], []).append((start, end))
        self._add(text, places, weight)

    def _add(self, text: EntryText, places: Mapping[str, Sequence[Place]], weight: int) -> None:
        for string, layer, tally in tally_text(text, places):
            layers = self._tallies.setdefault(string, {})
            total = layers.setdefault(layer, Tally())
            total.add(tally, weight)
            if not total.occurrences:
                del layers[layer]
                if not layers:
                    del self._tallies[string]


def _ballot(entry: AnnotationEntry) -> Ballot[Mark]:
    marks = frozenset(
        (place, text.text, mention) for place, text in enumerate(entry.texts) for mention in text.mentions
    )
    return Ballot(entry.annotator, marks, entry.is_ground_truth)


def _strings(texts: Iterable[EntryText]) -> Iterator[str]:
    for text in texts:
        for mention in text.mentions:
            yield _string(text, mention)


def _string(text: EntryText, mention: Mention) -> str:
    return text.text[mention.start : mention.end]
