"""Slips of grammar and style that a program can see in generated sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Finite verbs and imperatives of the generated text; a sentence has one of them. Words that
#: are more often nouns or participles ("means", "tests", "compared") are none.
VERBS = (
    "is|are|was|were|has|have|had|does|do|did|can|cannot|could|may|might|would|will|use|uses|"
    "comprised|accounted|ranged|varied|followed|departed|describe|describes|apply|applies|gave|"
    "differ|differed|depend|depends|come|see|show|shows|mark|marks|list|lists|count|counts|take|"
    "takes|cover|covers|favour|favours|need|needs|needed|settle|allow|allows|rank|ranks|treat|treats|"
    r"gives|say|says|falls|we \w+ed"
)
#: Raw names that readers must not meet.
IDENTIFIERS = (
    "imagenet|radimagenet|resnet18|resnet50|densenet121|inception_v3|squeezenet1_1|mobilenet_v2|"
    "convskip|unfreeze|y_true|nadeau-bengio|repeat-delong|learning-curve test|"
    "best-validation-auc|last-epoch"
)
BANNED = (
    r"\btells?\b|\btold\b|\bwords\b|\bmend(ed|s)?\b|\banew\b|\bone row a\b|\bfor want of\b|"
    r"\blikewise\b|\blacking\b|\bease of its\b|\bfavor|\btaken as irrelevant\b|\bas irrelevant\b|"
    r"\bone a\b|\brightly\b|\bmade[ -]up\b|\bmade by a program\b|\bnan\b"
)
PLURALS = (
    "comparisons|folds|repeats|images|patients|seeds|gaps|tests|models|values|cases|differences|"
    "configurations|runs|cells|events|tasks|subgroups"
)
_SINGULARS = "|".join(word.removesuffix("s") for word in PLURALS.split("|"))
#: Words that open a sentence and are no names: capitals in the middle of one.
OPENERS = (
    "In|The|No|For|With|At|Of|An|A|All|Both|None|Neither|Each|This|These|It|We|To|Differences|"
    "Sensitivity|Specificity|Because|Where|Whether|Residual|Mean"
)


def slips(text: str) -> list[str]:
    """What is wrong with a paragraph, note, caption or answer; empty where nothing is."""
    bare = re.sub(r"\s?\[@[^\]]*\]", "", text).replace("stats_tl", "the package")
    found = [f"{what}: {bare!r}" for what in _of_text(bare)]
    found += [f"no verb: {part!r}" for part in sentences(bare) if not _has_verb(part)]
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text; abbreviations and decimals end none."""
    guarded = text.replace("et al.", "et al·").replace("e.g.", "e·g·").replace("vs.", "vs·")
    return [part for part in re.split(r"(?<=[.?!])\s+(?=[A-Z“†–(])", guarded) if part.strip()]


def _has_verb(sentence: str) -> bool:
    return re.search(rf"\b(?:{VERBS})\b", sentence, re.I) is not None


def _of_text(text: str) -> Iterator[str]:
    if not text.rstrip("”").endswith((".", "?")):
        yield "does not end with a full stop"
    if re.search(rf"[;,:] (?:{OPENERS})\b(?! [A-Z])", text):
        yield "capital after a semicolon, colon or comma"
    if re.search(r"\b([A-Za-z]+) \1\b", text, re.I):
        yield "doubled word"
    if re.search(r"\w_\w", text):
        yield "underscore"
    if re.search(rf"(?<![\w/-])(?:{IDENTIFIERS})(?![\w-])", text):
        yield "identifier"
    if re.search(r" [,;.)](?!\d)|\( |\.\.|,,|;;|  |,\.|;\.", text):
        yield "spacing or doubled mark"
    for opened, closed in ("()", "[]", "“”"):
        if text.count(opened) != text.count(closed):
            yield f"unbalanced {opened}{closed}"
    if re.search(rf"(?<![\d.,−-])1 (?:{PLURALS})\b", text):
        yield "1 with a plural"
    if re.search(rf"(?<![\d.])(?:[02-9]|[1-9]\d+) (?:{_SINGULARS})\b(?! folds)", text):
        yield "a number with a singular"
    if re.search(r"\bwas \d+ (?!%)[a-z]+|\b1 (?:\w+ )?were\b|(?<!of the )\b[2-9] \w+s was\b", text):
        yield "disagreement"
    banned = re.search(BANNED, text)
    if banned:
        yield f"banned {banned[0]!r}"
