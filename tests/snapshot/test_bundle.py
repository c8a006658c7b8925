"""A bundle that reads back is the one that was written; any other is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.snapshot.factory import BLOCKS, NAMES, content

from coupon_pipeline.snapshot.bundle import BadBundleError, Bundle, open_bundle
from coupon_pipeline.snapshot.encoding import file_names
from coupon_pipeline.snapshot.write import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, content())
    return tmp_path


def folder(root: Path) -> Path:
    return root / json.loads((root / "current.json").read_text())["version"]


def refusal(root: Path) -> str:
    with pytest.raises(BadBundleError) as caught:
        open_bundle(root)
    return str(caught.value)


def test_what_was_written_reads_back(root: Path) -> None:
    written, read = content(), open_bundle(root).content
    assert read.coupon_categories == written.coupon_categories
    assert read.assumptions == written.assumptions
    assert read.valid_to.dtype == np.dtype("datetime64[D]")
    np.testing.assert_array_equal(read.pair_features, written.pair_features)
    np.testing.assert_array_equal(read.trees.threshold, written.trees.threshold)


def test_features_of_a_pair_are_those_of_its_household_coupon_and_pair_in_model_order(root: Path) -> None:
    bundle = open_bundle(root)
    pair = int(bundle.pairs_of(5)[2])
    coupon = bundle.content.pair_coupon[pair]
    blocks = np.concatenate(
        [
            bundle.content.household_features[5],
            bundle.content.coupon_features[coupon],
            bundle.content.pair_features[pair],
        ]
    )
    expected = [blocks[BLOCKS.index(name)] for name in NAMES]
    np.testing.assert_array_equal(bundle.features(np.array([pair])), [expected])


@given(household=st.integers(-1, 14), coupon=st.integers(0, 100))
def test_a_pair_is_found_by_its_ids_or_not_at_all(household: int, coupon: int) -> None:
    bundle = Bundle("unpublished", content())
    found = int(bundle.find_pairs(np.array([household]), np.array([coupon]))[0])
    position = bundle.household(household)
    own = [] if position is None else bundle.pairs_of(position).tolist()
    match = [pair for pair in own if bundle.content.coupon_ids[bundle.content.pair_coupon[pair]] == coupon]
    assert found == (match[0] if match else -1)


def test_every_file_that_is_cut_off_or_has_one_bit_flipped_is_refused_by_name(root: Path) -> None:
    for name in file_names():
        path = folder(root) / name
        good = path.read_bytes()
        for bad in (good[:-1], good[:-1] + bytes([good[-1] ^ 1]), b""):
            path.write_bytes(bad)
            assert f"{name}: the file is damaged" in refusal(root)
        path.unlink()
        assert f"{name}: the file is missing" in refusal(root)
        path.write_bytes(good)
    assert open_bundle(root).version == folder(root).name


def test_a_missing_current_file_says_what_to_do(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert "current.json: the file is missing" in message
    assert message.endswith("make run")


@pytest.mark.parametrize(
    "version", ["../elsewhere", "/etc", "", ".", "2017-05-01-0123456789AB", "2017-05-01-0123456789ab\n", 7, None, ["a"]]
)
def test_a_version_that_is_not_a_plain_name_is_refused(root: Path, version: object) -> None:
    (root / "current.json").write_text(json.dumps({"version": version}))
    assert "is not a bundle version" in refusal(root)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 1, "files": {}}', "\x00"])
def test_a_manifest_that_is_not_one_is_refused(root: Path, text: str) -> None:
    (folder(root) / "manifest.json").write_text(text)
    assert "manifest.json" in refusal(root)


def test_a_manifest_of_another_version_is_refused(root: Path) -> None:
    old = folder(root)
    write(root, content(price=0.1))
    (folder(root) / "manifest.json").write_bytes((old / "manifest.json").read_bytes())
    assert "belong to another version" in refusal(root)


def test_a_missing_manifest_is_refused(root: Path) -> None:
    (folder(root) / "manifest.json").unlink()
    assert "manifest.json: the file is missing" in refusal(root)


@pytest.mark.parametrize("name", ["/etc/hostname", "../../etc/hostname"])
def test_a_manifest_cannot_name_files_outside_its_folder(root: Path, name: str) -> None:
    path = folder(root) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = manifest["files"].pop("popular.npy")
    path.write_text(json.dumps(manifest))
    assert "not a manifest" in refusal(root)


def test_a_refusal_is_one_sentence_of_one_line(root: Path) -> None:
    damage: list[Callable[[], object]] = [
        lambda: (folder(root) / "popular.npy").write_bytes(b"x"),
        lambda: (folder(root) / "manifest.json").unlink(),
        lambda: (root / "current.json").write_text("{"),
    ]
    for break_it in damage:
        break_it()
        message = refusal(root)
        assert "\n" not in message
        assert message.endswith("; materialise the snapshot again: make run")
