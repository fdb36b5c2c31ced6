import re

import pytest

from huggingface_ner.label_studio.labeling_config import (
    MAX_CHARACTERS,
    LabelingConfigError,
    parse_labeling_config,
)

ALIASES = """
<View>
  <Header value="Who?"/>
  <Labels name="who" toName="text,title">
    <Label value="Person" alias="PER" predicted_values="human, B_PERSON"/>
    <Label value="Organisation"/>
  </Labels>
  <ParagraphLabels name="where" toName="talk"><Label value="GPE"/></ParagraphLabels>
  <Choices name="kind" toName="text"><Choice value="news"/></Choices>
  <RectangleLabels name="box" toName="image"><Label value="Car"/></RectangleLabels>
  <Image name="image" value="$image"/>
  <Text name="text" value="$text"/>
  <Text name="title" value="$meta.title" valueType="url"/>
  <Paragraphs name="talk" value="$talk" textKey="says"/>
</View>
"""


def test_every_control_over_a_text_is_read() -> None:
    config = parse_labeling_config(ALIASES)
    assert [(control.name, control.object.name) for control in config.controls] == [
        ("who", "text"),
        ("who", "title"),
        ("where", "talk"),
    ]
    assert config.label_names == ("PER", "Organisation", "GPE")
    text, title, talk = config.objects
    assert (title.data_key, title.is_url, text.is_url) == ("meta.title", True, False)
    assert (talk.tag, talk.text_key) == ("Paragraphs", "says")
    assert config.control_for(text, "GPE") is None


def test_an_alias_is_what_regions_hold() -> None:
    control = parse_labeling_config(ALIASES).controls[0]
    assert control.read_label("PER") == "PER"
    assert control.read_label("Person") == "PER"
    assert control.read_label("animal") is None


def test_a_label_can_name_its_past() -> None:
    labels = (
        '<Label value="Firma" alias="ORG" predicted_values="Organisation, Ort, PER"/>'
        '<Label value="Ort"/><Label value="PER"/><Label value="Verein" predicted_values="Organisation"/>'
    )
    control = parse_labeling_config(
        f'<View><Labels name="l" toName="t">{labels}</Labels><Text name="t" value="$t"/></View>'
    ).controls[0]
    assert control.read_label("Organisation") == "ORG", "the first label with this predicted value"
    assert [control.read_label(name) for name in ("Ort", "PER", "Firma")] == ["Ort", "PER", "ORG"]
    assert control.read_label("organisation") is None


def test_model_labels_find_their_counterpart() -> None:
    names = parse_labeling_config(ALIASES).match_labels(["human", "PER", "person", "ORG", "LOC", "MISC", "DATE"])
    assert names == {"human": "PER", "PER": "PER", "person": "PER", "ORG": "Organisation", "LOC": "GPE"}


def test_the_surest_rule_wins() -> None:
    config = parse_labeling_config(
        '<View><Labels name="l" toName="t"><Label value="per"/><Label value="PERSON"/><Label value="PER"/>'
        '</Labels><Text name="t" value="$t"/></View>'
    )
    assert config.match_labels(["PER", "Person", "per"]) == {"PER": "PER", "Person": "PERSON", "per": "per"}


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("<View>", "not well-formed XML"),
        ("View", "not well-formed XML"),
        ("<View>\x00</View>", "not well-formed XML"),
        ("<View>\ud83d</View>", "not well-formed XML"),
        ("<View/>", "no control labels text"),
        ('<View><Text name="t" value="$t"/></View>', "no control labels text"),
        ('<View><Labels name="l" toName="t"><Label value="A"/></Labels></View>', "no control labels text"),
        (
            '<View><Labels name="l" toName="i"><Label value="A"/></Labels><Image name="i" value="$i"/></View>',
            "no control labels text",
        ),
        (
            '<View><Labels name="l" toName="t" value="$all"/><Text name="t" value="$t"/></View>',
            "l: this control has no <Label>",
        ),
        (
            '<View><Labels name="l" toName="t,fix"><Label value="A"/></Labels><Text name="t" value="$t"/>'
            '<Text name="fix" value="Fixed words"/></View>',
            'fix: its value "Fixed words" is the same for every task',
        ),
        *(
            (
                '<View><Labels name="l" toName="t"><Label value="A"/></Labels>'
                f'<Text name="t" value="{value}"/></View>',
                f't: its value "{re.escape(value)}" is the same for every task',
            )
            for value in ("$", "5 $", "$é", "$ text")
        ),
        ('<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><View>&b;</View>', "entities"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>', "document type"),
        ("<View>" + "x" * MAX_CHARACTERS + "</View>", "longer than"),
    ],
)
def test_a_config_that_cannot_be_used_says_why(xml: str, message: str) -> None:
    with pytest.raises(LabelingConfigError, match=message):
        parse_labeling_config(xml)


@pytest.mark.parametrize("start", ['<?xml version="1.0" encoding="utf-16"?>\n', "\ufeff", "<!-- a comment -->"])
def test_what_may_stand_before_the_view(start: str) -> None:
    assert parse_labeling_config(start + ALIASES).label_names[0] == "PER"


@pytest.mark.parametrize(
    ("tag", "inside", "template"),
    [
        ("Text", "by $who", "by $who"),
        ("Text", "$a &amp; $b", "$a &amp; $b"),
        ("Text", " \n ", "$t"),
        ("HyperText", "<p>by <b>$who</b></p>\n", "<p>by <b>$who</b></p>"),
        ("HyperText", "by <i class='a'>$who</i>, $when", 'by <i class="a">$who</i>, $when'),
    ],
)
def test_what_stands_inside_an_object_is_its_value(tag: str, inside: str, template: str) -> None:
    labels = '<Labels name="l" toName="t"><Label value="A"/></Labels>'
    (text,) = parse_labeling_config(f'<View>{labels}<{tag} name="t" value="$t">{inside}</{tag}></View>').objects
    assert text.template == template


def test_html_that_is_nested_too_deeply_is_refused() -> None:
    inside = "<b>" * 3000 + "$t" + "</b>" * 3000
    labels = '<Labels name="l" toName="t"><Label value="A"/></Labels>'
    with pytest.raises(LabelingConfigError, match="nested too deeply"):
        parse_labeling_config(f'<View>{labels}<HyperText name="t">{inside}</HyperText></View>')
