//! Each mistake that can be made in a scenario file, as the person who made it sees it at 80 columns.

use std::path::Path;

use crashtest_report::render::Color;
use insta::assert_snapshot;

use super::{campaign, read};

/// What its author sees.
fn said(text: &str) -> String {
    let mistake = read(text).expect_err(text);
    let said = mistake.render(Path::new("scenarios/mine.toml"), text, 80, Color::Never);
    assert!(said.lines().all(|line| line.chars().count() <= 80), "fits 80 columns:\n{said}");
    said
}

/// The authors of these files see, one after the other, what the snapshot `name` holds.
fn authors_see(name: &str, files: &[(&str, String)]) {
    let seen: String = files.iter().map(|(mistake, text)| format!("# {mistake}\n\n{}\n", said(text))).collect();
    assert_snapshot!(name, seen);
}

#[test]
fn a_misspelt_word_is_shown_with_the_nearest_one() {
    authors_see(
        "misspelt_words",
        &[
            ("misspelt key", campaign("strategies = [\"direct\"]\nitertions = 200")),
            ("misspelt header", "why = \"to see\"\n[[campain]]\nstrategies = [\"direct\"]\n".to_owned()),
            ("misspelt strategy", campaign("strategies = [\"direct\", \"atomci\"]")),
            ("misspelt workload", campaign("strategies = [\"direct\"]\nworkloads = [\"fill\"]")),
            ("misspelt all workloads", campaign("strategies = [\"direct\"]\nworkloads = \"al\"")),
            ("misspelt loader", campaign("strategies = [\"direct\"]\nloaders = [\"strict\", \"lenint\"]")),
            ("misspelt fault", campaign("strategies = [\"direct\"]\nfaults = [\"kil\"]")),
            ("misspelt kill at", campaign("strategies = [\"direct\"]\nkill_at = \"recvery\"")),
            ("misspelt group", campaign("group = \"document\"")),
            (
                "misspelt verdict",
                campaign("strategies = [\"direct\"]\n\n[[expect]]\nstrategy = \"direct\"\nmust = [\"tron\"]"),
            ),
            ("group for a strategy", campaign("strategies = [\"all\"]")),
            ("all workloads in brackets", campaign("strategies = [\"direct\"]\nworkloads = [\"all\"]")),
            ("one workload without brackets", campaign("strategies = [\"direct\"]\nworkloads = \"fills\"")),
            ("unlike any strategy", campaign("strategies = [\"sqlite\"]")),
        ],
    );
}

#[test]
fn a_key_in_the_wrong_place_is_sent_to_the_right_one() {
    authors_see(
        "misplaced_keys",
        &[
            ("key of an expectation below a campaign", campaign("strategy = \"direct\"")),
            ("key that may be meant for another place", campaign("strategies = [\"direct\"]\nlimits = [\"one\"]")),
            ("key of the file below a campaign", campaign("strategies = [\"direct\"]\nseed = 7")),
            (
                "key of a campaign above it",
                "why = \"to see\"\niterations = 10\n[[campaign]]\ngroup = \"all\"\n".to_owned(),
            ),
        ],
    );
}

#[test]
fn a_wrong_type_is_shown_with_a_right_one() {
    authors_see(
        "wrong_types",
        &[
            ("text for a number", campaign("strategies = [\"direct\"]\niterations = \"many\"")),
            ("fraction for a number", campaign("strategies = [\"direct\"]\niterations = 1.5")),
            ("number for a time", campaign("strategies = [\"direct\"]\nduration = 5")),
            ("text for a list", campaign("strategies = \"direct\"")),
            ("number in a list", campaign("strategies = [\"direct\", 2]")),
            ("text for a flag", campaign("strategies = [\"direct\"]\nfresh = \"yes\"")),
            (
                "list over lines for a text",
                "why = [\n  \"one\",\n  \"two\",\n]\n[[campaign]]\ngroup = \"all\"\n".to_owned(),
            ),
            ("single brackets", "why = \"to see\"\n\n[campaign]\nstrategies = [\"direct\"]\n".to_owned()),
        ],
    );
}

#[test]
fn an_impossible_value_is_refused_with_the_reason() {
    authors_see(
        "impossible_values",
        &[
            ("no iterations", campaign("strategies = [\"direct\"]\niterations = 0")),
            ("fewer than no iterations", campaign("strategies = [\"direct\"]\niterations = -5")),
            (
                "more iterations than any number",
                campaign("strategies = [\"direct\"]\niterations = 0xfffffffffffffffffff"),
            ),
            ("no failures", campaign("strategies = [\"direct\"]\nmax_failures = 0")),
            ("negative duration", campaign("strategies = [\"direct\"]\nduration = \"-5m\"")),
            ("no duration", campaign("strategies = [\"direct\"]\nduration = \"0s\"")),
            ("duration in no unit", campaign("strategies = [\"direct\"]\nduration = \"5 parsecs\"")),
            ("no limit", campaign("strategies = [\"direct\"]\nlimit = \"0ms\"")),
            ("small state", campaign("strategies = [\"direct\"]\nstate_size = \"100\"")),
            ("large state", campaign("strategies = [\"direct\"]\nstate_size = \"65MiB\"")),
            ("seed of no digits", "why = \"to see\"\nseed = \"lucky\"\n[[campaign]]\ngroup = \"all\"\n".to_owned()),
            ("negative seed", "why = \"to see\"\nseed = -1\n[[campaign]]\ngroup = \"all\"\n".to_owned()),
            ("empty why", "why = \" \"\n[[campaign]]\ngroup = \"all\"\n".to_owned()),
            ("fresh recovery", campaign("strategies = [\"direct\"]\nkill_at = \"recovery\"\nfresh = true")),
        ],
    );
}

#[test]
fn toml_that_is_none_is_shown_where_it_ends_to_be() {
    authors_see(
        "not_toml",
        &[
            ("word without quotes", campaign("strategies = [direct]")),
            ("list never closed", campaign("strategies = [\"direct\"\niterations = 5")),
            ("quote never closed", "why = \"to see\n[[campaign]]\n".to_owned()),
            ("header never closed", "why = \"to see\"\n[[campaign]\ngroup = \"all\"\n".to_owned()),
            ("end of the last line in a list", "why = \"to see\"\nlimits = [\n".to_owned()),
            ("end of file in a list", "why = \"to see\"\nlimits = [".to_owned()),
            ("duplicate key", campaign("strategies = [\"direct\"]\niterations = 5\niterations = 6")),
        ],
    );
}

#[test]
fn what_is_missing_empty_or_too_much_is_said() {
    authors_see(
        "missing_empty_too_much",
        &[
            ("empty file", "".to_owned()),
            ("no campaign", "why = \"to see\"\n".to_owned()),
            ("no why", "[[campaign]]\nstrategies = [\"direct\"]\n".to_owned()),
            ("no strategies", campaign("iterations = 5")),
            ("empty strategies", campaign("strategies = []")),
            ("strategies and group", campaign("strategies = [\"direct\"]\ngroup = \"all\"")),
            ("strategy twice", campaign("strategies = [\"direct\", \"atomic\", \"direct\"]")),
        ],
    );
}

#[test]
fn a_pair_that_does_not_fit_is_refused_when_it_was_named() {
    authors_see(
        "bad_pairs",
        &[
            ("bad pair", campaign("strategies = [\"atomic\"]\nworkloads = [\"fills\", \"hash-chain\"]")),
            ("workload for no strategy of a group", campaign("group = \"documents\"\nworkloads = [\"hash-chain\"]")),
        ],
    );
}

#[test]
fn an_expectation_about_nothing_is_refused() {
    let direct = "strategies = [\"direct\"]\n\n[[expect]]\n";
    authors_see(
        "expectations",
        &[
            ("expectation of what is not tested", campaign(&format!("{direct}strategy = \"atomic\""))),
            ("expectation without strategy", campaign(&format!("{direct}must = [\"torn\"]"))),
            (
                "expectation twice",
                campaign(&format!("{direct}strategy = \"direct\"\n\n[[expect]]\nstrategy = \"direct\"")),
            ),
            ("expectation of intact", campaign(&format!("{direct}strategy = \"direct\"\nmust = [\"intact\"]"))),
        ],
    );
}

#[test]
fn colours_and_width_are_those_of_the_terminal() {
    let text = campaign("strategies = [\"direct\"]\nkill_at = \"never\"");
    let mistake = read(&text).unwrap_err();
    let path = Path::new("mine.toml");
    assert!(mistake.render(path, &text, 80, Color::Always).contains("\u{1b}["));
    let narrow = mistake.render(path, &text, 60, Color::Never);
    assert!(!narrow.contains('\u{1b}') && narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
}
