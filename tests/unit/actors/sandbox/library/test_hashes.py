"""Hashes and HMACs agree with the published vectors; random values and comparisons are what they promise."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

FOX = "The quick brown fox jumps over the lazy dog"
NAMES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "SHA256": "sha256",
    "RSA-SHA256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha512-224": "sha512_224",
    "sha512-256": "sha512_256",
    "sha3-224": "sha3_224",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
}
HMAC_SHA256 = [  # RFC 4231, cases 1 to 4, 6 and 7
    ("0b" * 20, "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ("4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ("aa" * 20, "dd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    ("0102030405060708090a0b0c0d0e0f10111213141516171819", "cd" * 50,
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    ("aa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First".hex(),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    ("aa" * 131, (b"This is a test using a larger than block-size key and a larger than block-size data. The key needs "
                  b"to be hashed before being used by the HMAC algorithm.").hex(),
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
])  # fmt: skip
def test_sha256_of_fips_180(library: Any, text: str, wanted: str) -> None:
    assert library.value(f"crypto.createHash('sha256').update('{text}').digest('hex')") == wanted


@pytest.mark.parametrize(("key", "data", "wanted"), HMAC_SHA256)
def test_hmac_of_rfc_4231(library: Any, key: str, data: str, wanted: str) -> None:
    hmac = f"crypto.createHmac('sha256', Buffer.from('{key}', 'hex')).update('{data}', 'hex')"
    assert library.value(f"{hmac}.digest('hex')") == wanted


def test_hmac_of_rfc_2202(library: Any) -> None:
    hmac = "crypto.createHmac('%s', 'Jefe').update('what do ya want ').update('for nothing?').digest('hex')"
    assert library.value(hmac % "md5") == "750c783e6ab0b503eaa86e310a5db738"
    assert library.value(hmac % "sha1") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_hashes(library: Any, name: str) -> None:
    got = library.value(f"crypto.createHash('{name}').update('{FOX}').digest('hex')")
    assert got == hashlib.new(NAMES[name], FOX.encode()).hexdigest()


def test_updates_are_gathered_in_order_and_as_they_were(library: Any) -> None:
    assert (
        library.run(
            """
        const bytes = Buffer.from('a');
        const hash = crypto.createHash('sha1').update(bytes);
        bytes[0] = 0;
        return hash.update('é').update(new Uint16Array([1, 2])).digest('base64');
        """
        )
        == base64.b64encode(hashlib.sha1("aé".encode() + b"\1\0\2\0").digest()).decode()
    )


def test_an_algorithm_that_is_none_is_refused(library: Any) -> None:
    message = library.run("try { crypto.createHash('whirlpool'); } catch (error) { return error.message; }")
    assert message == "Digest method not supported: whirlpool"
    assert json.loads(json.dumps(library.value("require('crypto').getHashes()")))[0] == "md5"


def test_the_global_and_the_module_are_one(library: Any) -> None:
    assert library.value("crypto === require('crypto')") is True


def test_uuids_are_random_and_of_version_4(library: Any) -> None:
    uuids = library.value("Array.from({ length: 50 }, crypto.randomUUID)")
    assert len(set(uuids)) == 50
    assert all(uuid[14] == "4" and uuid[19] in "89ab" and len(uuid) == 36 for uuid in uuids)


def test_random_integers_reach_both_ends_and_no_further(library: Any) -> None:
    assert library.value("[...new Set(Array.from({ length: 300 }, () => crypto.randomInt(-1, 3)))].sort()") == [
        -1,
        0,
        1,
        2,
    ]


def test_many_random_bytes_come_in_pieces(library: Any) -> None:
    assert library.value("crypto.randomBytes(200000).length") == 200_000
    assert library.value("new Set(crypto.randomFillSync(Buffer.alloc(100), 50).subarray(0, 50)).size") == 1


def test_callbacks_get_the_value_later(library: Any) -> None:
    assert library.run(
        """
        const order = [];
        const bytes = new Promise((resolve) => crypto.randomBytes(4, (error, value) => { order.push('told'); resolve(value); }));
        order.push('asked');
        return [(await bytes).length, order];
        """
    ) == [4, ["asked", "told"]]
