"""Named checks that a rule may ask of its match: checksums, entropy, shapes.

A validator takes the matched text (the ``value`` group where the rule has one) and says
whether it can be what the rule claims. Rules name validators; they cannot define them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rune_scanner.validators import (
    checksums,
    documents,
    entropy,
    finance,
    national_ids,
    network,
    wallets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["VALIDATORS"]

VALIDATORS: Final[Mapping[str, Callable[[str], bool]]] = {
    function.__name__: function
    for function in (
        checksums.luhn,
        checksums.verhoeff,
        checksums.github_token,
        checksums.grafana_token,
        entropy.not_placeholder,
        entropy.token_entropy,
        entropy.hex_entropy,
        entropy.password_like,
        entropy.url_password,
        entropy.key_like,
        entropy.jwt,
        entropy.basic_credentials,
        entropy.discord_token,
        entropy.private_key_body,
        finance.payment_card,
        finance.iban,
        finance.aba_routing,
        wallets.base58check,
        wallets.bitcoin_base58,
        wallets.bitcoin_private_key,
        wallets.bech32,
        wallets.ethereum_address,
        network.ipv4_public,
        network.ipv6_public,
        network.mac_address,
        network.email,
        network.phone_international,
        network.phone_nanp,
        network.phone_national,
        national_ids.us_ssn,
        national_ids.us_itin,
        national_ids.ca_sin,
        national_ids.mx_curp,
        national_ids.uk_nhs,
        national_ids.uk_nino,
        national_ids.de_tax_id,
        national_ids.fr_nir,
        national_ids.es_dni,
        national_ids.it_codice_fiscale,
        national_ids.nl_bsn,
        national_ids.be_national_number,
        national_ids.pl_pesel,
        national_ids.se_personnummer,
        national_ids.fi_hetu,
        national_ids.no_fodselsnummer,
        national_ids.dk_cpr,
        national_ids.pt_nif,
        national_ids.ch_ahv,
        national_ids.tr_kimlik,
        national_ids.il_id,
        national_ids.br_cpf,
        national_ids.br_cnpj,
        national_ids.cl_rut,
        national_ids.za_id,
        national_ids.in_aadhaar,
        national_ids.in_pan,
        national_ids.cn_resident_id,
        national_ids.kr_rrn,
        national_ids.jp_my_number,
        national_ids.sg_nric,
        national_ids.au_tfn,
        national_ids.au_medicare,
        documents.mrz,
        documents.vin,
        documents.imei,
        documents.npi,
        documents.dea,
        documents.birth_date,
    )
}
"""Every validator a rule may name."""
