"""What a program wrote to a terminal, as a picture."""

from xml.etree import ElementTree as ET

from tests.pictures.terminal import Run, lines_of, svg

TEXT = "{http://www.w3.org/2000/svg}text"


def test_colours_begin_and_end_where_the_program_said() -> None:
    (line,) = lines_of("12:00  \x1b[32mlink up \x1b[0m  Lot\r\n")

    assert line == [Run(0, "12:00  ", ""), Run(7, "link up ", "green"), Run(15, "  Lot", "")]


def test_empty_lines_stay_between_others_and_not_at_the_end() -> None:
    assert [len(line) for line in lines_of("one\r\n\r\ntwo\r\n\r\n")] == [1, 0, 1]


def test_what_moves_the_cursor_is_no_text() -> None:
    ((run,),) = lines_of("\x1b[2Kdone\x1b[?25h")

    assert run.text == "done"


def test_a_picture_is_xml_with_the_text_at_its_column() -> None:
    picture = svg(lines_of("a <b> & c\n\x1b[1m  bold\x1b[0m\n"), title='"quoted"')

    plain, bold = ET.fromstring(picture).findall(TEXT)
    assert (plain.text, plain.get("x")) == ("a <b> & c", "18.0")
    assert (bold.text, bold.get("x"), bold.get("class")) == ("bold", "34.8", "bold")
