"""Links: what a token allows, and that nothing of it can be changed."""

import dataclasses
import hmac
import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.storage.links import Link, LinkRefusal, LinkSigner

LINK = Link("files/ab/cd.csv", "account ü/\"'", "export-1", "credit-movements_2026-01-01_2026-01-31.csv", 2_000_000)
SIGNER = LinkSigner(b"a secret of at least thirty-two bytes")
URL_CHARACTERS = string.ascii_letters + string.digits + "-_.~/%?&=+ "


def test_a_link_is_a_plain_path_that_ends_with_the_file_name() -> None:
    path = SIGNER.path(LINK)
    assert path.startswith("/downloads/")
    assert path.endswith("/" + LINK.file_name)
    assert set(path) <= set(string.ascii_letters + string.digits + "-_./")
    assert "/." not in path


def test_a_link_allows_what_was_signed_until_it_expires() -> None:
    path = SIGNER.path(LINK)
    assert SIGNER.verify(path, now_micros=1_999_999) == LINK
    assert SIGNER.verify(path, now_micros=2_000_000) is LinkRefusal.EXPIRED


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(LINK, object_key="files/ab/ce.csv"),
        dataclasses.replace(LINK, account_id="other"),
        dataclasses.replace(LINK, export_id="export-2"),
        dataclasses.replace(LINK, file_name="x.csv"),
        dataclasses.replace(LINK, expires_at_micros=9_000_000),
    ],
)
def test_everything_in_a_link_is_signed(other: Link) -> None:
    _, _, token, name = SIGNER.path(LINK).split("/")
    _, _, other_token, other_name = SIGNER.path(other).split("/")
    payload, signature = token.split(".")
    other_payload, other_signature = other_token.split(".")
    for forged in (f"{other_payload}.{signature}/{other_name}", f"{payload}.{other_signature}/{name}"):
        assert SIGNER.verify(f"/downloads/{forged}", 0) is LinkRefusal.ALTERED


def test_another_secret_signs_other_links() -> None:
    other = LinkSigner(b"another secret of thirty-two bytes or more")
    assert SIGNER.verify(other.path(LINK), 0) is LinkRefusal.ALTERED


@pytest.mark.parametrize("at", range(-1, -60, -1))
def test_the_last_character_of_the_signature_has_one_spelling(at: int) -> None:
    # 256 bits do not fill 43 characters: Base64 would read several last characters as the same bytes.
    path = SIGNER.path(LINK)
    end = path.rindex("/") + 1 + at
    for other in string.ascii_letters + string.digits + "-_=.":
        altered = path[:end] + other + path[end + 1 :]
        assert altered == path or SIGNER.verify(altered, 0) is LinkRefusal.ALTERED


@given(
    position=st.integers(0, len(SIGNER.path(LINK))),
    removed=st.integers(0, 3),
    inserted=st.text(alphabet=URL_CHARACTERS + "é\x00\ud800", max_size=3),
)
def test_any_altered_path_is_refused(position: int, removed: int, inserted: str) -> None:
    path = SIGNER.path(LINK)
    altered = path[:position] + inserted + path[position + removed :]
    assert altered == path or SIGNER.verify(altered, 0) is LinkRefusal.ALTERED


@pytest.mark.parametrize("query", ["?", "?x=1", "?response-content-type=text/html", "#x"])
def test_a_link_has_no_query(query: str) -> None:
    assert SIGNER.verify(SIGNER.path(LINK) + query, 0) is LinkRefusal.ALTERED


@given(st.text(alphabet=URL_CHARACTERS, max_size=60))
def test_anything_else_is_refused(target: str) -> None:
    assert SIGNER.verify("/downloads/" + target, 0) is LinkRefusal.ALTERED
    assert SIGNER.verify(target, 0) is LinkRefusal.ALTERED


OLD, NEW = b"the secret of last year, thirty-two bytes", b"the secret of this year, thirty-two bytes"


def test_a_key_can_be_changed_without_breaking_a_link_though_workers_are_restarted_one_by_one() -> None:
    # The steps of docs/how-to/exports.md; in each, some workers still are at the step before.
    steps = [LinkSigner(OLD), LinkSigner(OLD, previous=NEW), LinkSigner(NEW, previous=OLD)]
    for before, after in itertools.pairwise(steps):
        for signer, reader in ((before, after), (after, before)):
            assert reader.verify(signer.path(LINK), 0) == LINK
    done = LinkSigner(NEW)
    assert done.verify(steps[-1].path(LINK), 0) == LINK
    assert done.verify(steps[0].path(LINK), 0) is LinkRefusal.ALTERED


def test_the_previous_key_never_signs() -> None:
    assert LinkSigner(NEW, previous=OLD).path(LINK) == LinkSigner(NEW).path(LINK)


@pytest.mark.parametrize("says", [True, False])
def test_signatures_are_compared_in_constant_time_and_nowhere_else(says: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SIGNER.path(LINK)
    forged = LinkSigner(NEW).path(LINK)
    compared = []

    def compare_digest(given: bytes, right: bytes) -> bool:
        compared.append(given)
        return says

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    # Whatever it says is what counts, for a right signature and for a wrong one.
    assert [SIGNER.verify(each, 0) for each in (path, forged)] == [LINK if says else LinkRefusal.ALTERED] * 2
    assert len(compared) == 2


def test_a_file_name_of_any_script_makes_a_plain_path() -> None:
    link = dataclasses.replace(LINK, file_name="выписка №1 / 100%?.csv")
    path = SIGNER.path(link)
    assert set(path) <= set(string.ascii_letters + string.digits + "-_./%")
    assert path.count("/") == 3
    assert SIGNER.verify(path, 0) == link
    assert SIGNER.verify(path.replace("%20", "+"), 0) is LinkRefusal.ALTERED
    assert SIGNER.verify(path.replace("%D0", "%d0"), 0) is LinkRefusal.ALTERED


@given(data=st.data())
def test_one_other_character_anywhere_is_refused(data: st.DataObject) -> None:
    path = SIGNER.path(LINK) if data.draw(st.booleans()) else LinkSigner(NEW, previous=OLD).path(LINK)
    at = data.draw(st.integers(0, len(path) - 1))
    other = data.draw(st.characters().filter(lambda each: each != path[at]))
    reader = SIGNER if SIGNER.verify(path, 0) == LINK else LinkSigner(NEW, previous=OLD)
    assert reader.verify(path[:at] + other + path[at + 1 :], 0) is LinkRefusal.ALTERED
