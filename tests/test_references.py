"""references.bib: the one place of citations, and the short forms that are derived from it."""

import re

import pytest

from srgrid.data import registry
from srgrid.errors import SrgridError
from srgrid.references import FILE, bibtex, reference, references
from srgrid.report.literature import literature
from srgrid.report.published import published


@pytest.mark.parametrize(
    ("key", "short"),
    [
        ("bevilacqua2012set5", "Bevilacqua et al. 2012"),
        ("agustsson2017div2k", "Agustsson and Timofte 2017"),
        ("vanderwalt2014skimage", "van der Walt et al. 2014"),
        ("arbelaez2011bsds500", "Arbeláez et al. 2011"),
        ("srgrid", "srgrid: a reproducible super-resolution benchmark"),
    ],
)
def test_short_forms_are_derived(key, short):
    assert reference(key).short == short


def test_every_entry_is_read_whole_and_every_title_stands_once():
    text = FILE.read_text(encoding="utf-8")
    assert len(references()) == len(re.findall("^@", text, re.M))
    titles = re.findall(r"^  title += \{(.*)\}", text, re.M)
    assert len(titles) == len({title.lower() for title in titles}) == len(references())
    for entry in references().values():
        assert entry.bibtex.count("{") == entry.bibtex.count("}")


def test_data_sets_and_published_values_refer_to_it():
    named = {value.cite for value in [*published(), *literature()]}
    named |= {entry.citation.key for entry in registry.load_registry().values() if entry.citation}
    assert named < set(references())
    assert bibtex(["zhang2018rcan", "wang2021bam", "zhang2018rcan"]) == [
        references()[key].bibtex for key in ("wang2021bam", "zhang2018rcan")
    ]


def test_an_unknown_key_is_named():
    with pytest.raises(SrgridError, match="citation 'nobody2020': not in references"):
        reference("nobody2020")
    own = {"images": 1, "use": "test", "citation": "nobody2020"}
    with pytest.raises(SrgridError, match="Own: citation 'nobody2020'"):
        registry.load_registry({"Own": own})
    mine = registry.get("Own", {"Own": {**own, "citation": {"text": "Me 2026", "bibtex": "@misc{me}"}}}).citation
    assert (mine.key, mine.short, mine.bibtex) == ("Own", "Me 2026", "@misc{me}")
