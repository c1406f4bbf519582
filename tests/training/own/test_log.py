from pipeline.training.own import lines, log


def test_short_output_is_kept_whole():
    lines = [f"line {n} " + "x" * (n % 97 + 1) for n in range(3000)]
    data = "\n".join(lines).encode()
    assert log.FIRST < len(data) < log.FIRST + log.LAST
    for size in (10, 1000, 65536):
        texts: list[str] = []
        output = log.Output(texts.append)
        for at in range(0, len(data), size):
            output.add(data[at : at + size])
        output.close()
        text = "\n".join(texts)
        # A line may be folded between the first and the last part.
        assert text.replace("\n", "") == "".join(lines).replace("\n", "")


def test_the_last_state_of_a_progress_bar_is_kept_without_colours():
    assert lines.last_state(b"10%\r50%\r\x1b[32m100%\x1b[0m\r") == "100%"


def test_the_last_words_of_a_traceback_are_its_error():
    output = b"hello\nTraceback (most recent call last):\n  File 'x'\n    f()\nValueError: no rows\nin March\n"
    assert log.last_words(output) == "ValueError: no rows in March"
