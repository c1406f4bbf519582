from pipeline.training.own import lines, log


def test_nothing_is_lost_of_output_that_is_short_enough():
    lines = [f"line {n} " + "x" * (n % 97 + 1) for n in range(3000)]
    data = "\n".join(lines).encode()
    assert log.FIRST < len(data) < log.FIRST + log.LAST
    for size in (10, 1000, 65536):
        said: list[str] = []
        taken = log.Output(said.append)
        for at in range(0, len(data), size):
            taken.add(data[at : at + size])
        taken.close()
        text = "\n".join(said)
        # Where the two parts meet, a line may be folded.
        assert text.replace("\n", "") == "".join(lines).replace("\n", "")


def test_of_a_progress_bar_the_last_state_is_kept_and_no_colours():
    assert lines.last_state(b"10%\r50%\r\x1b[32m100%\x1b[0m\r") == "100%"


def test_the_last_words_of_a_traceback_are_what_was_raised():
    said = b"hello\nTraceback (most recent call last):\n  File 'x'\n    f()\nValueError: no rows\nin March\n"
    assert log.last_words(said) == "ValueError: no rows in March"
