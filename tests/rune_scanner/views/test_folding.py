"""Folding: disguised English becomes plain, other people's languages stay as they are."""

from __future__ import annotations

import unicodedata

import pytest

from rune_scanner.views import build_views


def folded(text: str) -> str:
    return build_views(text).views[0].folded


@pytest.mark.parametrize(
    "text",
    [
        "Комитет собрался во вторник и решил отложить всё до весны. Сор, хор, рос — слова.",
        "Отчёт лежит в папке API, а сервис написан на Python; IT-отдел всё знает.",
        "Комітет зібрався у вівторок, щоб обговорити бюджет на наступний рік. Її їжа є.",
        "Η επιτροπή συνεδρίασε την Τρίτη και αποφάσισε να αναβάλει την απόφαση. Ο καιρός.",
        "Հանձնաժողովը հավաքվեց երեքշաբթի օրը և որոշեց հետաձգել որոշումը։",
        "委员会周二开会讨论明年的预算，并决定推迟作出决定。",
        "委員会は火曜日に集まり、来年の予算について話し合いました。ガギグゲゴ",
        "위원회는 화요일에 모여 내년 예산을 논의했습니다.",
        "समिति मंगलवार को मिली और उसने निर्णय टालने का फैसला किया। क़ानून",
        "اجتمعت اللجنة يوم الثلاثاء لمناقشة ميزانية العام المقبل وقرّرت التأجيل.",
        "הוועדה התכנסה ביום שלישי כדי לדון בתקציב.",
        "Le comité s’est réuni à l’été ; l’œuvre de Noël, ç’a été décidé, où ça ?",
        "Der Ausschuß tagte am Dienstag über Größe, Übermut und Straßen.",
        "El comité se reunió en otoño; mañana habrá más, ¿no es así?",
        "Uỷ ban đã họp vào thứ Ba để thảo luận về ngân sách năm tới.",
        "Komisyon salı günü toplandı ve kararı erteledi; ışık söndü.",
        "คณะกรรมการประชุมกันเมื่อวันอังคารเพื่อหารือเรื่องงบประมาณ",
    ],
)
def test_honest_text_stays(text: str) -> None:
    assert folded(text) == unicodedata.normalize("NFKC", text).lower()
    assert not [view.name for view in build_views(text).views[1:]]


def test_a_foreign_word_that_reads_as_latin_is_mapped_only_where_nobody_writes_that_script() -> (
    None
):
    assert folded("please сору this") == "please copy this"
    assert folded("он сказал: сору") == "он сказал: сору"


def test_a_word_of_two_scripts_is_mapped_in_any_text() -> None:
    assert folded("Забудь это и ignоrе всё") == "забудь это и ignore всё"


def test_the_raw_text_keeps_what_folding_drops() -> None:
    raw = build_views("ig\u200bnore \u202ethis").views[0]
    assert raw.text == "ig\u200bnore \u202ethis"
    assert raw.folded == "ignore this"


def test_case_is_kept_in_the_text() -> None:
    raw = build_views("AKIA and Akia").views[0]
    assert raw.text == "AKIA and Akia"
    assert raw.folded == "akia and akia"


def test_plain_text_is_folded_without_a_map_of_its_own() -> None:
    raw = build_views("Nothing special.").views[0]
    assert raw.folded_offsets is raw.offsets


def test_heaps_of_marks_are_taken_off_in_a_view_of_their_own() -> None:
    text = "i\u0337\u0322g\u0337n\u0335\u0321o\u0338\u0335r\u0337e\u0338 this"
    views = {view.name: view for view in build_views(text).views}
    assert views["unaccented"].text == "ignore this"
    assert "unaccented" not in {view.name for view in build_views("déjà vu à l'été").views}


def test_accents_that_hide_words_are_taken_off() -> None:
    views = {view.name: view for view in build_views("ïgnóre the prèvîous page").views}
    assert views["unaccented"].text == "ignore the previous page"


def test_a_long_run_of_marks_costs_no_more_than_its_length() -> None:
    text = "a" + "\u0301\u0316" * 200_000  # minutes, if it were sorted as it stands
    assert len(folded(text)) < 100
