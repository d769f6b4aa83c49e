//! Checkers that are started once and copied for each crash state, and those that cannot be.

mod support;

use support::programs::{EXAMPLES, Interpreter, Language};
use support::{Place, Ran};

const WRITER: &str = r#"n=$(cat "$1/n"); for k in 1 2 3 4 5 6; do n=$((n+1)); echo "crashtest: begin $n"; echo $n > "$1/t" && mv "$1/t" "$1/n" || exit 1; echo "crashtest: ack $n"; done"#;

/// Runs the writer with a checker in Python of which this is what it does before it looks, and with how it looks.
fn checked(before: &str, looks: &str) -> Option<Ran> {
    let python = Interpreter::find(Language::Python)?;
    let place = Place::new();
    let script = format!(
        "import os, sys, threading, time\n{before}\nn = open(os.path.join(sys.argv[1], 'n')).read()\n{looks}\n"
    );
    std::fs::write(place.path().join("check.py"), script).unwrap();
    let check = format!("{} {{dir}}", python.words(&["check.py"]).join(" "));
    let mut command = place.command("run --quiet --out r --seed 1 --fault sweep --jobs 1");
    command.args(["--setup", "sh -c 'echo 0 > {dir}/n'", "--check", &check, "--", "sh", "-c", WRITER, "sh", "{dir}"]);
    Some(Ran::from(command.output().unwrap()))
}

const SAYS: &str = "print('crashtest: state', int(n)) if n.strip() else print('crashtest: refused empty')";

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_checker_is_copied_where_that_says_the_same_and_else_started_anew() {
    let anew = "the checker was started anew for each crash state:";
    for (before, looks, why) in [
        ("", SAYS, None),
        // Says nothing but how it ends.
        ("", "int(n)", None),
        // Has said half of it before it looks.
        ("print('crashtest: state ', end='', flush=True)", "print(int(n) if n.strip() else 'none')", None),
        // Prints more than a pipe holds.
        ("for k in range(40): print('x' * 100000)", SAYS, None),
        // Leaves a process running that writes.
        ("", &format!("{SAYS}; os.fork() or [time.sleep(1000)]"), None),
        ("threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", SAYS, Some("it has threads")),
        ("held = open(os.path.join(sys.argv[1], 'n'))", "held.seek(0); n = held.read(); int(n)", None),
        ("os.chdir(sys.argv[1]); began = os.times().elapsed", SAYS, None),
        (
            "began = os.times().elapsed",
            &format!("assert os.times().elapsed - began < 0.4\n{SAYS}"),
            Some("a copy of one that had been started before said something else"),
        ),
    ] {
        let Some(ran) = checked(before, looks) else { return };
        let said = words(&ran.out);
        assert_eq!(ran.exit, Some(0), "{before}; {looks}: {}{}", ran.out, ran.err);
        assert_eq!(said.contains(anew), why.is_some(), "{before}; {looks}: {}", ran.out);
        assert!(why.is_none_or(|why| said.contains(why)), "{before}; {looks}: {}", ran.out);
    }
}

#[test]
fn copies_find_what_a_checker_finds_that_is_asked_about_one_state_after_the_other() {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    for writer in ["direct", "atomic", "forward_journal"] {
        let mode = if writer == "forward_journal" { "forward_journal" } else { "" };
        let asked = |option: &str, check: String| {
            let place = Place::new();
            let set_up = python.example(writer, "{dir} init");
            let program = format!("{EXAMPLES}/python/{writer}.py");
            let mut command = place.command("audit --max-states 60 --output-format json");
            command.args([option, &check, "--setup", &set_up, "--"]).args(python.words(&[&program, "{dir}"]));
            let ran = Ran::from(command.output().unwrap());
            let audit: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            (ran.exit, audit["checked"]["verdicts"].clone())
        };
        let copied = asked("--check", python.example("check", &format!("{{dir}} {mode}")));
        assert_eq!(copied, asked("--check-batch", python.example("check_batch", mode)), "{writer}");
        assert!(copied.1.as_object().is_some_and(|verdicts| !verdicts.is_empty()), "{writer}: {copied:?}");
    }
}

#[test]
fn states_that_a_checker_cannot_tell_from_each_other_get_one_answer() {
    // Beside its number it writes a file over, piece by piece, that always has the same length. Which file was changed last can be seen
    // without opening one.
    let writer = r#"n=$(cat "$1/n"); for k in 1 2 3; do n=$((n+1)); echo "crashtest: begin $n"
        head -c 40960 /dev/zero | tr '\0' $n | dd of="$1/b" bs=4096 conv=notrunc status=none || exit 1; echo $n > "$1/t" && mv "$1/t" "$1/n" || exit 1; echo "crashtest: ack $n"; done"#;
    let asked = |command: &str, looks: &str| {
        let place = Place::new();
        let count = place.path().join("count");
        let check = format!(
            "sh -c 'echo 1 >> {}; n=$(cat \"$1/n\") && {looks} && echo \"crashtest: state $n\"' sh {{dir}}",
            count.display()
        );
        let mut command = place.command(command);
        let set_up = "sh -c 'echo 0 > {dir}/n; head -c 40960 /dev/zero > {dir}/b'";
        command.args(["--setup", set_up, "--check", &check, "--", "sh", "-c", writer, "sh", "{dir}"]);
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
        std::fs::read(count).unwrap().len() / 2
    };
    for command in ["run --quiet --out r --seed 1 --fault sweep --jobs 1", "audit"] {
        let (one, both) = (asked(command, "true"), asked(command, "cat \"$1/b\" > /dev/null"));
        assert!(one * 3 < both * 2, "{command}: asked about {one} states, and about {both} where it opens both files");
    }
}
