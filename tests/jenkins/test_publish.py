"""What a build publishes beside files that other tests look at: its description."""

from pipeline.jenkins.publish import description

BUILD = {"BUILD_URL": "https://jenkins.test/job/tuning/job/sweep/7/"}


def test_a_description_links_to_the_summary_and_ends_in_the_ids_of_the_sweeps() -> None:
    answer, link, sweep = description("best: x=1", ["20260614-a", "20260614-b"], BUILD).strip().split("<br>\n")
    assert (answer, sweep) == ("best: x=1", "20260614-a 20260614-b")
    assert link == f'<a href="{BUILD["BUILD_URL"]}Summary/">Summary</a>'


def test_nothing_of_a_spec_is_markup_in_it() -> None:
    assert description("p < 0.05 & <b>x</b>", ["s"], {}) == "p &lt; 0.05 &amp; &lt;b&gt;x&lt;/b&gt;<br>\ns\n"
