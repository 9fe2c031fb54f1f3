"""The story of records and playlists, which are on Solana alone."""

from __future__ import annotations

import random
from typing import Any

from localnet.stories.action import Key, Script
from localnet.stories.projects import digest
from localnet.stories.scripted import Scripted
from localnet.wallets import Cast

VIDEO, CLIP, CONTENT, DOCUMENT, FARM, COMMODITY = range(6)
PUBLIC, UNLISTED, HIDDEN = range(3)
_NAMES = ("Video", "Clip", "Content", "Document", "Farm", "Commodity")
_TAGS = ("coffee", "harvest", "football", "music", "Kenya", "washed", "live", "short")
_SHARE, _LENGTH = 0.03, 5
_PLAYLIST_EVERY = 4
_MOST_TAGS = 16  # of a record


class Story(Scripted):
    def __init__(self, cast: Cast, rate: float, rng: random.Random) -> None:
        super().__init__(rate, rng, _SHARE, _LENGTH)
        self.cast = cast
        self.opening = 0.0
        self.last: Key | None = None

    def script(self, number: int, now: float) -> Script:
        rng = self.rng
        owner = rng.choice([f"creator-{i}" for i in range(self.cast.creators)] + self.cast.traders)
        if number % _PLAYLIST_EVERY == _PLAYLIST_EVERY - 1:
            return _playlist(owner, rng, number, now)
        script = _record(owner, rng, number, now, self.last)
        self.last = script.key
        return script


def _record(owner: str, rng: random.Random, number: int, now: float, last: Key | None) -> Script:
    script = Script("records", ("record", number), now)
    then = script.then
    # each kind in turn, whatever the dice
    kind = number % len(_NAMES)
    parent = last if kind == CLIP or rng.random() < 0.2 else None
    script.open(
        "create_record", owner, {}, {}, (parent,) if parent else (), record_kind=kind,
        parent=parent, visibility=rng.choice((PUBLIC, PUBLIC, UNLISTED)),
        **_described(_NAMES[kind], rng, number),
    )  # fmt: skip
    if rng.random() < 0.3:
        then("set_visibility", "stranger", visibility=HIDDEN, error="NotOwner")
    if rng.random() < 0.5:
        again = _described(_NAMES[kind], rng, number)
        if rng.random() < 0.3:
            many: dict[str, Any] = {**again, "tags": ["x"] * (_MOST_TAGS + 1)}
            then("update_record", owner, **many, error="InvalidTags")
        then("update_record", owner, **again)
    if rng.random() < 0.6:
        then("set_visibility", owner, visibility=rng.choice((PUBLIC, UNLISTED, HIDDEN)))
    if rng.random() < 0.2:
        then("set_visibility", owner, visibility=HIDDEN + 1, error="InvalidVisibility")
    if rng.random() < 0.3:
        then("retire", owner)
        if rng.random() < 0.5:
            then("set_visibility", owner, visibility=PUBLIC, error="WrongStatus")
    return script


def _described(name: str, rng: random.Random, number: int) -> dict[str, Any]:
    wistia = digest(f"wistia {number}") if name in ("Video", "Clip") else bytes(32)
    tags = rng.sample(_TAGS, rng.randint(0, 4))
    title = f"{name} {number}"
    return {"digest": digest(title), "wistia": wistia, "cid": "", "title": title, "tags": tags}


def _playlist(owner: str, rng: random.Random, number: int, now: float) -> Script:
    script = Script("records", ("playlist", number), now)
    title = f"Playlist {number}"

    def listed(entries: int) -> dict[str, Any]:
        text = digest(f"{title}, {entries} records")
        return {"digest": text, "entries": entries, "cid": "", "title": title}

    entries = rng.randint(1, 40)
    script.open("create_playlist", owner, {}, **listed(entries), visibility=PUBLIC)
    if rng.random() < 0.3:
        script.then("update_playlist", "stranger", **listed(0), visibility=HIDDEN, error="NotOwner")
    for i in range(rng.randint(0, 2)):
        visibility = rng.choice((PUBLIC, UNLISTED))
        script.then("update_playlist", owner, **listed(entries + i + 1), visibility=visibility)
    return script
