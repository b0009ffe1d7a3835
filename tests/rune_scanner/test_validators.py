"""Checksums and shapes: a valid value passes, and a small change to it does not."""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rune_scanner import builtin_rules
from rune_scanner.validators import VALIDATORS
from rune_scanner.validators.checksums import BASE62, crc32_base62
from rune_scanner.validators.finance import IBAN_LENGTHS, card_brand
from rune_scanner.validators.wallets import base58_decode, keccak256


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


def complete(name: str, body: str, alphabet: str = "0123456789", count: int = 1) -> str | None:
    """``body`` with the check characters that ``name`` accepts, found by trying them all."""
    tails = [""]
    for _ in range(count):
        tails = [tail + char for tail in tails for char in alphabet]
    return next((body + tail for tail in tails if VALIDATORS[name](body + tail)), None)


# Schemes in which changing any one digit must be noticed, with a body for the check digits.
NOTICES_EVERY_DIGIT = {
    "luhn": (digits(15), 1),
    "verhoeff": (digits(11), 1),
    "uk_nhs": (digits(9), 1),
    "nl_bsn": (digits(8), 1),
    "pt_nif": (digits(8).filter(lambda s: s[0] not in "047"), 1),
    "au_tfn": (digits(8), 1),
    "in_aadhaar": (digits(11).filter(lambda s: s[0] in "23456789"), 1),
    "il_id": (digits(8), 1),
    "ca_sin": (digits(8).filter(lambda s: s[0] not in "08"), 1),
    "imei": (digits(14).filter(lambda s: s[0] != "0"), 1),
    "npi": (digits(8).map(lambda s: "1" + s), 1),
    "ch_ahv": (digits(9).map(lambda s: "756" + s), 1),
    "tr_kimlik": (digits(9).filter(lambda s: s[0] != "0"), 2),
    "br_cpf": (digits(9), 2),
    "aba_routing": (digits(6).map(lambda s: "02" + s), 1),
}


@pytest.mark.parametrize("name", NOTICES_EVERY_DIGIT)
@given(data=st.data())
def test_one_changed_digit_fails(name: str, data: st.DataObject) -> None:
    bodies, count = NOTICES_EVERY_DIGIT[name]
    value = complete(name, data.draw(bodies), count=count)
    assume(value is not None)
    assert value is not None
    at = data.draw(st.integers(0, len(value) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != value[at]]))
    changed = value[:at] + digit + value[at + 1 :]
    if name == "pt_nif" and value[-1] == "0":
        return  # both remainders 0 and 1 give 0, so this scheme is blind to one change in eleven
    if name == "br_cpf" and "0" in value[-2:]:
        return  # the same
    assert not VALIDATORS[name](changed)


@given(body=digits(9), at=st.integers(0, 9))
def test_separators_do_not_matter(body: str, at: int) -> None:
    value = complete("luhn", body)
    assert value is not None
    assert VALIDATORS["luhn"](value[:at] + " - " + value[at:])


PUBLISHED = {
    "payment_card": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"],
    "iban": ["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "NO9386011117947"],
    "us_ssn": ["536-22-1478"],
    "us_itin": ["912-78-4410"],
    "uk_nhs": ["943 476 5919"],
    "uk_nino": ["AB123456C", "AB 12 34 56 C"],
    "de_tax_id": ["86095742719"],
    "fr_nir": ["255081416802538"],
    "es_dni": ["12345678Z", "X1234567L"],
    "it_codice_fiscale": ["RSSMRA85T10A562S"],
    "nl_bsn": ["111222333"],
    "be_national_number": ["85.07.30-033.28"],
    "pl_pesel": ["44051401359"],
    "se_personnummer": ["811228-9874", "19811228-9874"],
    "fi_hetu": ["131052-308T"],
    "no_fodselsnummer": ["01010750160"],
    "dk_cpr": ["070761-4285"],
    "pt_nif": ["501964843"],
    "ch_ahv": ["756.9217.0769.85"],
    "tr_kimlik": ["10000000146"],
    "il_id": ["039337423"],
    "br_cpf": ["390.533.447-05"],
    "br_cnpj": ["16.727.230/0001-97"],
    "cl_rut": ["12.531.909-2"],
    "za_id": ["8801235111088"],
    "in_aadhaar": ["2341 2341 2346"],
    "in_pan": ["ABCPK1234F"],
    "cn_resident_id": ["11010519491231002X"],
    "jp_my_number": ["123456789018"],
    "sg_nric": ["S1234567D"],
    "au_tfn": ["123456782"],
    "au_medicare": ["2123 45670 1"],
    "mx_curp": ["HEGG560427MVZRRL04"],
    "vin": ["1M8GDM9AXKP042788"],
    "imei": ["490154203237518"],
    "npi": ["1234567893"],
    "dea": ["BB1388568"],
    "aba_routing": ["021000021"],
    "mrz": ["P<UTOERIKSSON<<ANNA<MARIA\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"],
    "bitcoin_base58": ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
    "bech32": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    "ethereum_address": ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
    "ipv4_public": ["84.17.45.201"],
    "ipv6_public": ["2a00:1450:4001:81b::200e"],
    "mac_address": ["3c:52:82:6f:1a:9e"],
    "email": ["jo.doe+x@acme.co.uk"],
    "phone_international": ["+49 30 901820", "+14155552671", "+44 (0)20 7946 0958"],
    "phone_nanp": ["(415) 555-2671", "1-415-555-2671"],
    "birth_date": ["1971-09-30", "04/12/1986", "March 4, 1990"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in PUBLISHED.items() for v in vs])
def test_published_samples_pass(name: str, value: str) -> None:
    assert VALIDATORS[name](value)


BROKEN = {
    "payment_card": [
        "4111 1111 1111 1112",
        "4111",
        "BE38 6898 1111 8500",
        "0000 0000 0000 0000",
        "9111111111111111",
    ],
    "iban": ["GB29 NWBK 6016 1331 9268 18", "XX8937", "DE8937040044053201300"],
    "us_ssn": ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000"],
    "us_itin": ["912-49-4410", "812-78-4410"],
    "uk_nino": ["BG123456C", "AB123456E", "DA123456A"],
    "fr_nir": ["255081416802539", "955081416802538"],
    "es_dni": ["12345678A", "X1234567M"],
    "it_codice_fiscale": ["RSSMRA85T10A562T", "RSSMRA85Z10A562S"],
    "pl_pesel": ["44051401358", "44131401359"],
    "se_personnummer": ["811228-9875", "811328-9874"],
    "fi_hetu": ["131052-308U", "321052-308T"],
    "no_fodselsnummer": ["01010750161", "01011750160"],
    "dk_cpr": ["320761-4285", "0707614285000"],
    "br_cnpj": ["16.727.230/0001-98"],
    "cl_rut": ["12.531.909-3"],
    "za_id": ["8801235111089", "8813235111088"],
    "in_pan": ["ABCKK1234F", "ABCPK0000F"],
    "cn_resident_id": ["110105194912310021", "11010519491331002X"],
    "kr_rrn": ["971013-9019902", "971313-1019902"],
    "jp_my_number": ["123456789019"],
    "sg_nric": ["S1234567E", "X1234567D"],
    "au_medicare": ["2123 45671 1", "9123 45670 1"],
    "mx_curp": ["HEGG560427MVZRRL05", "HEGG561327MVZRRL04"],
    "vin": ["1M8GDM9A0KP042788", "IM8GDM9AXKP042788"],
    "dea": ["BB1388569", "ZB1388568"],
    "mrz": ["P<UTO\nL898902C37UTO7408122F1204159ZE184226B<<<<<10", "P<UTO\nshort"],
    "bech32": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "Bc1qw508d6", "1aaaaaa", "bc1b"],
    "ethereum_address": ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "0x" + "0" * 40],
    "ipv4_public": ["10.0.0.1", "8.8.8.8", "1.2.3.4", "203.0.113.7", "256.1.1.1", "224.0.0.251"],
    "ipv6_public": ["fe80::1", "2001:db8::1", "::1", "10:20:30"],
    "mac_address": [
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
        "01:00:5e:00:00:fb",
        "3c:52",
        "0251.0376.0251",
    ],
    "email": ["a..b@acme.dev", "a@b", "icon@2x.png", ".a@acme.dev", "a@-acme.dev", "a@host.local"],
    "phone_international": ["+999", "+1 023 456 7890", "+1111111111", "+281234567890"],
    "phone_nanp": ["(115) 555-2671", "415-055-2671", "911-555-2671", "415-911-2671"],
    "phone_national": [
        "2024-11-05",
        "2023-03-16 16",
        "1999-2003",
        "34.052235",
        "5.11.2024",
        "11111111",
        "123",
    ],
    "birth_date": ["45/45/1986", "1786-01-01", "12:30", "hello"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BROKEN.items() for v in vs])
def test_broken_samples_fail(name: str, value: str) -> None:
    assert not VALIDATORS[name](value)


@given(country=st.sampled_from(sorted(IBAN_LENGTHS)), data=st.data())
def test_an_iban_with_one_character_changed_fails(country: str, data: st.DataObject) -> None:
    length = IBAN_LENGTHS[country] - 4
    bban = data.draw(
        st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=length, max_size=length)
    )
    assume(len(set(bban)) > 3)
    number = "".join(str(int(char, 36)) for char in bban + country + "00")
    iban = f"{country}{98 - int(number) % 97:02d}{bban}"
    assert VALIDATORS["iban"](iban)
    assert VALIDATORS["iban"](" ".join(iban[at : at + 4] for at in range(0, len(iban), 4)))
    at = data.draw(st.integers(4, len(iban) - 1))
    other = data.draw(st.sampled_from("0123456789").filter(lambda c: c != iban[at]))
    assume(iban[at].isdigit())
    assert not VALIDATORS["iban"](iban[:at] + other + iban[at + 1 :])


@given(
    body=st.text(BASE62, min_size=30, max_size=30),
    at=st.integers(0, 35),
    char=st.sampled_from(BASE62),
)
def test_a_github_token_with_one_character_changed_fails(body: str, at: int, char: str) -> None:
    token = body + crc32_base62(body)
    assume(token[at] != char)
    assert VALIDATORS["github_token"]("gh" + "p_" + token)
    assert not VALIDATORS["github_token"]("gh" + "p_" + token[:at] + char + token[at + 1 :])


def test_the_github_checksum_agrees_with_a_published_revoked_sample() -> None:
    assert crc32_base62("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ") == "0mLq17"


@given(secret=st.text(BASE62, min_size=32, max_size=32))
def test_grafana_tokens_carry_the_crc_of_what_stands_before(secret: str) -> None:
    body = "gl" + "sa_" + secret
    crc = zlib.crc32(body.encode()).to_bytes(4, "little").hex()
    assert VALIDATORS["grafana_token"](f"{body}_{crc}")
    wrong = "0" if crc[0] != "0" else "1"
    assert not VALIDATORS["grafana_token"](f"{body}_{wrong}{crc[1:]}")


def base58check(payload: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = alphabet[rest] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


@given(key=st.binary(min_size=32, max_size=32), compressed=st.booleans(), at=st.integers(1, 50))
def test_bitcoin_keys_and_addresses(key: bytes, compressed: bool, at: int) -> None:
    wif = base58check(b"\x80" + key + (b"\1" if compressed else b""))
    assert VALIDATORS["bitcoin_private_key"](wif)
    changed = wif[:at] + ("z" if wif[at] != "z" else "y") + wif[at + 1 :]
    assert not VALIDATORS["bitcoin_private_key"](changed)
    address = base58check(b"\0" + key[:20])
    assert VALIDATORS["bitcoin_base58"](address)
    assert not VALIDATORS["bitcoin_private_key"](address)


def test_base58_refuses_the_letters_it_lacks() -> None:
    assert base58_decode("0OIl") is None


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_agrees_with_published_digests(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


@given(st.binary(min_size=136, max_size=300))
def test_keccak_takes_more_than_one_block(data: bytes) -> None:
    assert len(keccak256(data)) == 32


@pytest.mark.parametrize(
    "value",
    [
        *("AKIAIOSFODNN7EXAMPLE", "xxxxxxxxxxxxxxxx", "your-api-key-here", "<token>", "${TOKEN}"),
        *(
            "1234567890abcdef",
            "0000000000000000",
            "abcabcabcabcabc",
            "sk-YOUR_KEY",
            "****",
            "[SECRET]",
        ),
        *("changeme", "{{ token }}", "abcdefghijkl", "[SECRET:abcdefgh]", "REPLACE_ME_NOW", "..."),
    ],
)
def test_placeholders_are_no_secrets(value: str) -> None:
    assert not VALIDATORS["not_placeholder"](value)
    assert not VALIDATORS["password_like"](value)
    assert not VALIDATORS["url_password"](value)
    assert not VALIDATORS["key_like"](value)


@given(st.binary(min_size=24, max_size=24))
def test_random_keys_are_keys(data: bytes) -> None:
    # Hashing spreads what hypothesis draws, which is not random, over all bytes.
    token = urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    assert VALIDATORS["not_placeholder"](token)
    assert VALIDATORS["key_like"](token)
    assert VALIDATORS["token_entropy"]("k1" + token)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "config.api.secret_key",
            "getAccessTokenFromCache",
            "ACCESS_TOKEN_NAME",
            "some-kebab-name",
        ),
        *("get_token_from_cache", "access_token_abc123", "1234567890123456"),
    ],
)
def test_identifiers_are_no_keys(value: str) -> None:
    assert not VALIDATORS["key_like"](value)


@pytest.mark.parametrize("value", ["r7Kq!x92Lm", "Falcon-2291", "kx94lm22"])
def test_passwords_are_passwords(value: str) -> None:
    assert VALIDATORS["password_like"](value)
    assert VALIDATORS["url_password"](value)


@pytest.mark.parametrize("value", ["required", "string", "form.password", "getpass()", "Password1"])
def test_words_and_code_are_no_passwords(value: str) -> None:
    assert not VALIDATORS["password_like"](value)


def test_jwt_wants_a_header_with_an_algorithm_and_an_object() -> None:
    def part(value: object) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    good = f"{part({'alg': 'RS256'})}.{part({'sub': 'x'})}.c2ln"
    assert VALIDATORS["jwt"](good)
    for bad in (
        f"{part({'typ': 'JWT'})}.{part({'sub': 'x'})}.c2ln",
        f"{part({'alg': 'none'})}.{part({'sub': 'x'})}.c2ln",
        f"{part({'alg': 'RS256'})}.{part(['x'])}.c2ln",
        f"{part({'alg': 'RS256'})}.{part({'sub': 'x'})}.",
        "a.b",
        "!.!.!",
    ):
        assert not VALIDATORS["jwt"](bad)


def test_basic_credentials_are_user_and_password() -> None:
    assert VALIDATORS["basic_credentials"](b64encode(b"ops:r7Kq!x92Lm").decode())
    assert not VALIDATORS["basic_credentials"](b64encode(b"no colon").decode())
    assert not VALIDATORS["basic_credentials"](b64encode(b"user:<password>").decode())
    assert not VALIDATORS["basic_credentials"]("%%%")


def test_every_range_of_cards_has_a_brand() -> None:
    assert card_brand("4" + "0" * 15) == "visa"
    assert card_brand("2221" + "0" * 12) == "mastercard"
    assert card_brand("37" + "0" * 13) == "amex"
    assert card_brand("9" * 16) is None


@pytest.mark.parametrize("name", VALIDATORS)
@given(text=st.text(max_size=60) | st.text("0123456789²٣ABCXZabc-<.:@+/é", max_size=45))
def test_no_text_makes_a_validator_raise(name: str, text: str) -> None:
    assert VALIDATORS[name](text) in (True, False)


def test_every_validator_serves_a_rule_and_every_rule_finds_its_validators() -> None:
    used = {name for rule in builtin_rules() for name in rule.validators}
    assert used <= VALIDATORS.keys()
    assert VALIDATORS.keys() - used <= {"luhn", "verhoeff", "base58check"}
