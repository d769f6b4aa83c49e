//! A trace as people read it: what each call left un-synced, what was promised in between, how each file is written.

use std::collections::BTreeMap;

use crashtest_model::{Action, Data, Durable, FileId, Gaps, Generation, Operation, Progress, Promise, Trace};
use crashtest_report::render::{Terminal, json, text};

const STATE: FileId = FileId(0);

fn open(path: &str, file: FileId, created: bool) -> Action {
    Action::Open { path: path.into(), file, created, truncated: !created, synchronous: false, mode: 0o644 }
}

fn write(path: &str, file: FileId, offset: u64, bytes: usize) -> Action {
    let data = Data::Kept(vec![b'x'; bytes]);
    Action::Write { path: path.into(), file, offset, data, requested: bytes as u64 }
}

fn close(path: &str, file: FileId) -> Action {
    Action::Close { path: path.into(), file }
}

fn fsync(path: &str, file: Option<FileId>) -> Action {
    let durable = if file.is_some() { Durable::File } else { Durable::Directory };
    Action::Sync { path: path.into(), file, durable }
}

fn rename(from: &str, to: &str) -> Action {
    Action::Rename { from: from.into(), to: to.into(), exchange: false }
}

/// A trace of `saves`, each the calls between its begin and its ack; `fills.json` is there at the start.
fn trace(saves: Vec<Vec<Action>>) -> Trace {
    let mut operations = Vec::new();
    let at = |begun: usize, acked: usize| Progress {
        activity: None,
        opened: true,
        promise: Promise {
            acked: Generation(acked as u64),
            begun: Generation(begun as u64),
            installed: true,
            gaps: Gaps::NONE,
        },
    };
    let last = saves.len();
    for (n, save) in saves.into_iter().enumerate() {
        operations.extend(save.into_iter().map(|action| Operation {
            process: 0,
            call: action.word().into(),
            action,
            errno: None,
            before: at(n + 1, n),
            after: at(n + 1, n),
            left: None,
        }));
    }
    let end = at(last, last);
    Trace { files: vec![("fills.json".into(), STATE)], operations, end, processes: 1, ..Trace::default() }
}

/// What the last lines say of each file.
fn ways(saves: Vec<Vec<Action>>) -> String {
    let text = text::trace(&trace(saves), "exit status 0", Terminal::plain(200));
    text.split_once(" calls  ").unwrap().1.to_owned()
}

fn mixed() -> Trace {
    let tmp = "fills.json.tmp";
    let (new, log) = (FileId(1), FileId(2));
    let truncating = vec![
        open("fills.json", STATE, false),
        write("fills.json", STATE, 0, 8192),
        write("fills.json", STATE, 8192, 1500),
        close("fills.json", STATE),
    ];
    let renaming = vec![
        open(tmp, new, true),
        write(tmp, new, 0, 9692),
        fsync(tmp, Some(new)),
        close(tmp, new),
        rename(tmp, "fills.json"),
        fsync(".", None),
    ];
    let logging = vec![
        Action::Mkdir { path: "logs".into(), mode: 0o755 },
        open("logs/a-log-with-a-name-that-is-much-too-long-for-any-terminal-of-eighty-columns", log, true),
        write("logs/a-log-with-a-name-that-is-much-too-long-for-any-terminal-of-eighty-columns", log, 0, 120),
        Action::Map { path: "index.db".into(), file: FileId(3) },
    ];
    let mut trace = trace(vec![truncating, renaming, logging]);
    trace.operations.last_mut().unwrap().process = 1;
    trace.operations[12].errno = Some(28);
    trace.processes = 2;
    trace.concurrent = true;
    trace.unmodelled = BTreeMap::from([("ioctl".to_owned(), 3)]);
    trace.outside = vec!["/var/log/bot.log".to_owned()];
    trace
}

#[test]
fn a_trace_reads_like_a_strace_for_persistence() {
    insta::assert_snapshot!("trace_80", text::trace(&mixed(), "exit status 0", Terminal::plain(80)));
    insta::assert_snapshot!("trace_160", text::trace(&mixed(), "exit status 0", Terminal::plain(160)));
}

#[test]
fn the_name_of_a_new_file_is_durable_only_once_its_directory_is_synced() {
    let new = FileId(1);
    let create = || vec![open("a", new, true), write("a", new, 0, 10), fsync("a", Some(new))];
    let last_state = |actions| {
        let text = text::trace(&trace(vec![actions]), "", Terminal::plain(120));
        text.lines().rfind(|line| line.contains("  fsync")).unwrap().to_owned()
    };
    assert!(last_state(create()).ends_with("name un-synced"));
    assert!(last_state([create(), vec![fsync(".", None)]].concat()).ends_with("  durable"));
    let elsewhere = [create(), vec![fsync("logs", None)]].concat();
    assert!(ways(vec![elsewhere]).contains("names       a:"), "another directory says nothing of it");
}

#[test]
fn what_is_written_behind_a_file_that_was_there_is_an_append() {
    for (offset, way) in [(4096, "fills.json  append"), (4000, "fills.json  in place")] {
        let mut trace = trace(vec![vec![write("fills.json", STATE, offset, 10)]]);
        trace.lengths.insert(STATE, 4096);
        let said = text::trace(&trace, "exit status 0", Terminal::plain(200));
        assert!(said.contains(way), "{offset}: {said}");
    }
}

#[test]
fn each_way_to_write_a_file_is_named() {
    let tmp = FileId(1);
    let write_aside = |sync: bool| {
        let mut calls = vec![open("t", tmp, true), write("t", tmp, 0, 10)];
        calls.extend(sync.then(|| fsync("t", Some(tmp))));
        calls.extend([close("t", tmp), rename("t", "fills.json")]);
        calls
    };
    let with_directory = [write_aside(true), vec![fsync(".", None)]].concat();
    let log = |from| vec![write("log", tmp, from, 100), fsync("log", Some(tmp))];
    let cases = [
        (
            vec![vec![open("fills.json", STATE, false), write("fills.json", STATE, 0, 10)]],
            "fills.json  truncate-and-write",
        ),
        (vec![vec![write("fills.json", STATE, 0, 10), write("fills.json", STATE, 10, 5)]], "fills.json  in place"),
        (vec![vec![write("fills.json", STATE, 4096, 10)]], "fills.json  at an offset"),
        (vec![write_aside(false)], "fills.json  rename without fsync"),
        (vec![write_aside(true)], "fills.json  fsync and rename, without fsync of the directory"),
        (vec![with_directory], "fills.json  fsync, rename, fsync of the directory"),
        (vec![vec![open("log", tmp, true)], log(0), log(100)], "log  append"),
        (vec![vec![open("a", tmp, true), write("a", tmp, 0, 10), write("a", tmp, 10, 5)]], "a  made and written once"),
        (
            vec![vec![
                Action::Unlink { path: "fills.json".into() },
                open("fills.json", tmp, true),
                write("fills.json", tmp, 0, 10),
            ]],
            "fills.json  delete-then-write",
        ),
    ];
    for (saves, expected) in cases {
        let said = ways(saves);
        let told: Vec<&str> =
            said.lines().filter(|line| !line.contains("un-synced") && !line.contains("names ")).collect();
        assert!(told.iter().any(|line| line.trim_start().starts_with(expected)), "{expected}: {said}");
    }
    assert!(ways(vec![]).contains("no file below the state directory was written"));
}

#[test]
fn a_trace_as_json_reads_back() {
    assert_eq!(serde_json::from_str::<Trace>(&json::trace(&mixed())).unwrap(), mixed());
}

#[test]
fn a_shell_s_new_file_is_made_though_its_first_descriptor_is_closed_before_it_is_written() {
    let new = FileId(1);
    let making = || vec![open("a", new, true), close("a", new), write("a", new, 0, 10)];
    assert!(ways(vec![making()]).contains("a  made and written once"));
    let reopened =
        Action::Open { path: "a".into(), file: new, created: false, truncated: false, synchronous: false, mode: 0 };
    let appended = [making(), vec![reopened, write("a", new, 10, 5)]].concat();
    assert!(ways(vec![appended]).contains("a  append"));
}

#[test]
fn names_go_with_what_they_name() {
    let new = FileId(1);
    let linked = vec![
        open("fills.json", STATE, false),
        write("fills.json", STATE, 0, 10),
        Action::Link { file: STATE, to: "copy".into() },
        Action::Unlink { path: "copy".into() },
    ];
    assert!(ways(vec![linked]).contains("fills.json  truncate-and-write"));
    let moved = vec![
        Action::Mkdir { path: "d".into(), mode: 0o755 },
        open("d/a", new, true),
        write("d/a", new, 0, 10),
        rename("d", "e"),
    ];
    let said = ways(vec![moved]);
    assert!(said.contains("e/a  made and written once") && said.contains("un-synced   e/a:"), "{said}");
    assert!(!said.contains("d/a"), "{said}");
}

#[test]
fn no_name_begins_a_line_of_its_own_or_steers_the_terminal() {
    let name = "a\nack 5\u{1b}[31m";
    let text = text::trace(
        &trace(vec![vec![open(name, FileId(1), true), write(name, FileId(1), 0, 1)]]),
        "",
        Terminal::plain(120),
    );
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("ack")), "{text}");
    assert_eq!(text.matches("a\\nack 5\\u{1b}[31m").count(), 5, "{text}");
}
