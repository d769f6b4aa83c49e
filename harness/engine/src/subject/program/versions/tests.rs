//! What is learnt of files from recorded runs, and how states are judged by it.

use crashtest_model::{Action, Data, FileId, Operation, Progress};

use super::*;

fn state(files: &[(&str, &[u8])]) -> Snapshot {
    let entry = |content: &[u8]| Entry::File { mode: 0o644, content: content.to_vec().into() };
    files.iter().map(|(name, content)| (PathBuf::from(name), entry(content))).collect()
}

fn write(data: &[u8]) -> Action {
    let (path, file, requested) = ("f".to_owned(), FileId(0), data.len() as u64);
    Action::Write { path, file, offset: 0, data: Data::Kept(data.to_vec()), requested }
}

fn run(actions: Vec<Action>) -> Trace {
    let operation = |action| Operation {
        process: 0,
        call: "call".into(),
        action,
        errno: None,
        before: Progress::default(),
        after: Progress::default(),
        left: None,
    };
    let operations = actions.into_iter().map(operation).collect();
    Trace { operations, files: vec![("f".to_owned(), FileId(0))], ..Trace::default() }
}

fn close() -> Action {
    Action::Close { path: "f".to_owned(), file: FileId(0) }
}

fn emptied() -> Action {
    let (path, file) = ("f".to_owned(), FileId(0));
    Action::Open { path, file, created: false, truncated: true, synchronous: false, mode: 0 }
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Opened => "opened",
        Answer::Damaged { .. } => "damaged",
        Answer::Unclear(_) => "unclear",
        _ => "else",
    }
}

#[test]
fn a_file_is_whole_as_a_run_has_left_it_and_damaged_in_between() {
    let files = Files::for_program(&Program::default());
    let installed = state(&[("f", b"old")]);
    files.begin_on(&installed);
    // As a shell does: the first descriptor is closed before anything is written.
    files.learn(&run(vec![emptied(), close(), write(b"newer"), close()]), &installed, true);
    for (content, damaged) in [(&b"old"[..], None), (b"newer", None), (b"", Some("empty")), (b"new", Some("torn"))] {
        match files.judge(&state(&[("f", content)])) {
            Answer::Opened => assert_eq!(damaged, None, "{content:?}"),
            Answer::Damaged { why, .. } => {
                assert!(damaged.is_some_and(|word| why.contains(word)), "{content:?} {why}")
            }
            other => panic!("{content:?} {other:?}"),
        }
    }
    assert!(matches!(files.judge(&state(&[])), Answer::Damaged { why, .. } if why.contains("missing")));
    let temporary = state(&[("f", b"old"), ("f.tmp", b"n")]);
    assert_eq!(files.judge(&temporary), Answer::Opened, "a temporary is no file of the state");
}

#[test]
fn what_a_crash_has_left_is_not_whole_because_the_next_run_begins_on_it() {
    let files = Files::for_program(&Program::default());
    let installed = state(&[("f", b"old")]);
    files.begin_on(&installed);
    files.learn(&run(vec![emptied(), write(b"newer"), close()]), &installed, true);
    files.learn(&run(vec![]), &state(&[("f", b""), ("f.tmp", b"new")]), true);
    assert_eq!(kind(&files.judge(&state(&[("f", b"")]))), "damaged");
    assert_eq!(files.judge(&state(&[("f", b"newer")])), Answer::Opened);
    // Nor is what a kill has cut off.
    files.learn(&run(vec![emptied(), write(b"new")]), &installed, false);
    assert_eq!(kind(&files.judge(&state(&[("f", b"new")]))), "damaged");
}

#[test]
fn under_a_checker_any_file_may_be_meant_but_scratch() {
    let check = Some(crashtest_model::Check::Each(vec!["true".into()]));
    let files = Files::for_program(&Program { check, ..Program::default() });
    files.learn_state(&state(&[("f", b"newer"), ("f.log", b"a line")]));
    assert_eq!(files.files(), ["f"]);
    assert_eq!(files.clone().classify_file(0, b"new", Promise::default()).state, RawState::Partial);
    let kept = Files::for_program(&Program {
        check: Some(crashtest_model::Check::Each(vec!["true".into()])),
        ..Program::default()
    });
    kept.begin_on(&state(&[("f", b"old")]));
    kept.learn_state(&state(&[("f", b"newer"), ("g", b"made")]));
    assert_eq!(kind(&kept.judge(&state(&[("g", b"made")]))), "damaged", "it is always there");
    assert_eq!(kept.judge(&state(&[("f", b"old")])), Answer::Opened, "not before it is made");
    kept.learn_state(&state(&[("g", b"made")]));
    assert_eq!(kept.judge(&state(&[("g", b"made")])), Answer::Opened, "a run has ended without it");
    let unchecked = Files::for_program(&Program::default());
    unchecked.learn_state(&state(&[("f", b"newer")]));
    assert!(!unchecked.know_some(), "without one only a recorded run says what is a version");
}

#[test]
fn where_two_runs_leave_other_contents_only_what_is_empty_or_missing_is_certain() {
    let files = Files::for_program(&Program::default());
    let installed = state(&[("f", b"old")]);
    files.begin_on(&installed);
    files.learn(&run(vec![emptied(), write(b"at 12:00"), close()]), &installed, true);
    files.learn(&run(vec![emptied(), write(b"at 12:01"), close()]), &installed, true);
    for (content, expected) in
        [(&b"at 12:01"[..], "opened"), (b"at 12:02", "unclear"), (b"at 1", "unclear"), (b"", "damaged")]
    {
        assert_eq!(kind(&files.judge(&state(&[("f", content)]))), expected, "{content:?}");
    }
    assert_eq!(kind(&files.judge(&state(&[]))), "damaged");
    // Of a run that was killed, what it had gone on from is a version.
    files.learn(&run(vec![emptied(), write(b"at 12:02"), close()]), &installed, false);
    assert_eq!(kind(&files.judge(&state(&[("f", b"at 12:02")]))), "unclear");
    files.learn(&run(vec![emptied(), write(b"at 12:02"), close(), emptied()]), &installed, false);
    assert_eq!(files.judge(&state(&[("f", b"at 12:02")])), Answer::Opened);
}

#[test]
fn a_file_that_is_appended_to_is_for_a_checker_and_excluded_ones_are_for_nobody() {
    let appended = |path: &str| {
        let (file, requested) = (FileId(0), 4);
        let path = path.to_owned();
        Action::Write { path, file, offset: 3, data: Data::Kept(b"more".to_vec()), requested }
    };
    for (exclude, why) in [(vec![], "written in parts"), (vec!["f".to_owned()], "excluded")] {
        let is_judged = exclude.is_empty();
        let files = Files::for_program(&Program { exclude, ..Program::default() });
        let installed = state(&[("f", b"old")]);
        files.begin_on(&installed);
        files.learn(&run(vec![appended("f"), close()]), &installed, true);
        let torn = files.judge(&state(&[("f", b"oldmo")]));
        assert!(matches!(&torn, Answer::Unclear(words) if words.contains(why)), "{torn:?}");
        // Where nothing is judged, nothing is known of whole files either.
        let whole = if is_judged { "opened" } else { "unclear" };
        assert_eq!(kind(&files.judge(&state(&[("f", b"oldmore")]))), whole);
    }
}
