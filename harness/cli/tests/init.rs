//! `crashtest init`, and what it writes: the file of a project, and a checker to start from.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use support::programs::{Interpreter, Language};
use support::{Place, Ran};

/// A bot that keeps files of every kind that a checker can load.
const BOT: &str = r#"
import json, os, pickle, sqlite3, sys

state = sys.argv[1]
fills = sqlite3.connect(state + "/fills.db")
fills.execute("create table fills (n integer)")
for n in range(1, 4):
    with open(state + "/positions.tmp", "w") as file:
        json.dump({"n": n, "positions": list(range(300))}, file)
    os.replace(state + "/positions.tmp", state + "/positions.json")
    fills.execute("insert into fills values (?)", (n,))
    fills.commit()
    with open(state + "/events.jsonl", "a") as file:
        file.write(json.dumps({"n": n}) + "\n")
with open(state + "/model.pkl", "wb") as file:
    pickle.dump({"weights": [0.5] * 10}, file)
with open(state + "/cursor", "w") as file:
    file.write("3")
"#;
/// A service that saves in its working directory for ever.
const SERVICE: &str = r#"
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
let { n } = JSON.parse(readFileSync('state.json', 'utf8'));
setInterval(() => {
  n += 1;
  writeFileSync('state.tmp', JSON.stringify({ n }));
  renameSync('state.tmp', 'state.json');
}, 20);
"#;

fn crashtest(place: &Place, arguments: &[&str]) -> Ran {
    Ran::from(place.command("").args(arguments).output().unwrap())
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

#[test]
fn one_run_of_a_bot_gives_a_file_and_a_checker_that_an_audit_and_a_run_take() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    let place = Place::new();
    fs::write(place.path().join("bot.py"), BOT).unwrap();
    let ran = crashtest(&place, &["init", "--", "python3", "bot.py", "{dir}"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert_snapshot!("init_python_told", ran.out);
    assert_snapshot!("init_python_file", read(&place, "crashtest.toml"));
    assert_snapshot!("init_python_checker", read(&place, "crashtest-check.py"));
    // On whole files, and on one that is cut, or is not what it was.
    let state = place.path().join("state");
    fs::create_dir(&state).unwrap();
    let python = |words: &[&str]| Command::new("python3").current_dir(place.path()).args(words).output().unwrap();
    assert!(python(&["bot.py", "state"]).status.success());
    let says = || String::from_utf8(python(&["crashtest-check.py", "state"]).stdout).unwrap();
    assert_eq!(says(), "crashtest: ok\n");
    fs::write(state.join("events.jsonl"), "{\"n\": \"a\u{2028}b\"}\n\n{\"n\": 2}\n").unwrap();
    assert_eq!(says(), "crashtest: ok\n", "not a line for Python's splitlines");
    for name in ["positions.json", "events.jsonl", "fills.db", "model.pkl"] {
        let whole = fs::read(state.join(name)).unwrap();
        fs::write(state.join(name), &whole[..whole.len() / 2]).unwrap();
        assert!(says().starts_with("crashtest: refused "), "{name}: {}", says());
        fs::write(state.join(name), whole).unwrap();
    }
    let ran = crashtest(&place, &["audit", "bot"]);
    assert!(ran.exit == Some(1) && ran.out.contains("What the checker says"), "{}{}", ran.out, ran.err);
    let ran = crashtest(&place, &["run", "bot", "--quiet", "--seed", "1", "--fault", "sweep", "--max-states", "30"]);
    assert!(ran.out.contains("no call was made to fail"), "{}{}", ran.out, ran.err);
    assert!(
        matches!(ran.exit, Some(1 | 3)),
        "what it writes over is lost, or cannot be judged: {}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn what_saves_in_its_working_directory_for_ever_is_run_in_a_directory_of_ours() {
    if Interpreter::find(Language::Node).is_none() {
        return;
    }
    let place = Place::new();
    fs::write(place.path().join("service.mjs"), SERVICE).unwrap();
    fs::write(place.path().join("state.json"), r#"{"n":0}"#).unwrap();
    let ran = crashtest(&place, &["init", "--name", "web.1", "--for", "600ms", "--", "node", "service.mjs"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert_snapshot!("init_node_told", ran.out);
    assert_snapshot!("init_node_file", read(&place, "crashtest.toml"));
    assert_snapshot!("init_node_checker", read(&place, "crashtest-check.mjs"));
    for arguments in [&["audit", "web.1"][..], &["run", "web.1", "--quiet", "--seed", "1", "--max-states", "12"]] {
        let ran = crashtest(&place, arguments);
        assert_eq!(ran.exit, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    }
    assert_eq!(read(&place, "state.json"), r#"{"n":0}"#, "the real one was never written");
}

#[test]
fn nothing_is_written_over_and_nothing_is_left_of_what_came_to_nothing() {
    let place = Place::new();
    let save = ["init", "--", "sh", "-c", "echo 1 > $0/state", "{dir}"];
    let names = |place: &Place| {
        let mut names: Vec<String> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    for (taken, text) in
        [("crashtest.toml", Some("mine")), ("crashtest-check.py", Some("mine")), ("crashtest-check.py", None)]
    {
        let path = place.path().join(taken);
        match text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => std::os::unix::fs::symlink("elsewhere", &path).unwrap(),
        }
        let ran = crashtest(&place, &save);
        assert!(
            ran.exit == Some(2) && ran.err.contains(&format!("`{taken}` is there already")),
            "{}{}",
            ran.out,
            ran.err
        );
        assert_eq!(names(&place), [taken], "a link leads nowhere still");
        text.into_iter().for_each(|text| assert_eq!(read(&place, taken), text));
        fs::remove_file(path).unwrap();
    }
    let ran = crashtest(&place, &["init", "--", "sh", "-c", "true", "{dir}"]);
    assert!(ran.exit == Some(3) && ran.err.contains("left no state file"), "{}{}", ran.out, ran.err);
    for wrong in [&["init", "--name", "a b", "--", "true"][..], &["init", "--", "no-such-program-9"], &["init"]] {
        let ran = crashtest(&place, wrong);
        assert_eq!(ran.exit, Some(2), "{wrong:?}: {}{}", ran.out, ran.err);
    }
    assert!(names(&place).is_empty());
    // A disk that is full while the checker is written.
    let mut limited = Command::new("bash");
    limited.current_dir(place.path()).args([
        "-c",
        "ulimit -f 1 && exec \"$@\"",
        "bash",
        env!("CARGO_BIN_EXE_crashtest"),
    ]);
    let ran = Ran::from(limited.args(save).output().unwrap());
    assert!(ran.exit == Some(5) && ran.err.contains("failed to write `crashtest-check.py`"), "{}{}", ran.out, ran.err);
    assert!(names(&place).is_empty(), "nothing of it is left");
    let ran = crashtest(&place, &save);
    assert_eq!((ran.exit, names(&place).len()), (Some(0), 2), "{}{}", ran.out, ran.err);
}

#[test]
fn what_was_there_is_where_each_run_starts_with_all_that_belongs_to_it() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    let place = Place::new();
    // A database with a journal beside it, a repository, and a state file that the command names.
    let made = "import sqlite3; d = sqlite3.connect('fills.db'); d.execute('pragma journal_mode=wal'); \
                d.execute('create table f (n)'); d.commit(); import os; os.system('git init -q repo'); \
                open('state.json', 'w').write('{}'); os._exit(0)";
    let saves = "import json, os, sqlite3, sys\n\
                 n = json.load(open(sys.argv[1])).get('n', 0) + 1\n\
                 json.dump({'n': n}, open('t', 'w')); os.replace('t', sys.argv[1])\n\
                 d = sqlite3.connect('fills.db'); d.execute('insert into f values (1)'); d.commit()\n\
                 os.system('echo x | git -C repo hash-object -w --stdin > /dev/null')\n";
    fs::write(place.path().join("bot.py"), saves).unwrap();
    assert!(Command::new("python3").current_dir(place.path()).args(["-c", made]).status().unwrap().success());
    let ran = crashtest(&place, &["init", "--", "python3", "bot.py", "./state.json"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let file = read(&place, "crashtest.toml");
    for line in [
        "run = \"python3 bot.py {dir}/./state.json\"",
        "cp -pr --parents -- fills.db repo/.git state.json ",
        "for f in fills.db-wal fills.db-journal; do",
    ] {
        assert!(file.contains(line), "{line}: {file}");
    }
    assert!(ran.out.contains("whether `./state.json` in its command means the state file"), "{}", ran.out);
    let checker = read(&place, "crashtest-check.py");
    assert!(checker.contains("(\"repo/.git\", git_repository, True),  # a git repository"), "{checker}");
    let ran = crashtest(&place, &["run", "bot", "--quiet", "--seed", "1", "--fault", "sweep", "--max-states", "8"]);
    assert!(matches!(ran.exit, Some(0 | 3)), "{}{}", ran.out, ran.err);
    assert_eq!(read(&place, "state.json"), "{}", "the real one was never written");
}

#[test]
fn a_name_is_looked_up_in_the_file_and_mistakes_are_shown_at_their_place() {
    let place = Place::new();
    let write = |text: &str| fs::write(Path::new(place.path()).join("crashtest.toml"), text).unwrap();
    write("[[program]]\nname = \"bot\"\nrun = \"sh -c 'seq 9 > $0/t; mv $0/t $0/state' {dir}\"\n");
    let ran = crashtest(&place, &["run", "bot", "--quiet", "--max-states", "5"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let ran = crashtest(&place, &["audit", "bto"]);
    assert_eq!(ran.exit, Some(2));
    assert_snapshot!("init_unknown_name", ran.err);
    write("[[program]]\nname = \"bot\"\nrun = \"sh bot\"\n");
    let ran = crashtest(&place, &["run", "bot"]);
    assert!(ran.exit == Some(2) && ran.err.contains("put {dir} into its `run` in crashtest.toml"), "{}", ran.err);
    write("[[program]]\nname = \"bot\"\nrun = \"./bot {dir}\"\nsaves = \"many\"\n");
    let ran = crashtest(&place, &["run", "bot"]);
    assert_eq!(ran.exit, Some(2));
    assert_snapshot!("init_mistake", ran.err);
    // Who has dashes means a program.
    let ran = crashtest(&place, &["audit", "--", "sh", "-c", "echo 1 > $0/t && mv $0/t $0/f", "{dir}"]);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}
