//! Programs that never end: recorded for a while, or for some saves, and judged as far as they came.

mod support;

use support::programs::{EXAMPLES, Interpreter, Language};
use support::{Place, Ran};

/// Replaces its state by a rename for ever, going on from what it finds.
const SOUND: &str = r#"n=$(head -n 1 "$1/s") && [ "$n" ] || exit 1; echo "crashtest: ready"
while :; do
  n=$((n+1)); echo "crashtest: begin $n"; seq $n $((n+900)) > "$1/t" && mv "$1/t" "$1/s" || exit 1; echo "crashtest: ack $n"
done"#;
/// Writes it over.
const BROKEN: &str = r#"n=$(head -n 1 "$1/s"); echo "crashtest: ready"
while :; do
  n=$((n+1)); echo "crashtest: begin $n"; seq $n $((n+900)) > "$1/s"; echo "crashtest: ack $n"
done"#;
/// Acknowledges a save, and makes it in the background.
const LATE: &str = r#"n=$(head -n 1 "$1/s"); echo "crashtest: ready"
while :; do
  n=$((n+1)); echo "crashtest: begin $n"; echo "crashtest: ack $n"; seq $n $((n+900)) > "$1/t"; mv "$1/t" "$1/s"
done"#;
const SET_UP: &str = "sh -c 'seq 0 900 > {dir}/s'";
const CHECK: &str = r#"sh -c 'set -- $(cat "$1/s"); if [ $# = 901 ]; then echo "crashtest: state $1"; else echo "crashtest: refused $# lines"; fi' sh {dir}"#;

/// Runs such a shell program with `more` options.
fn run(script: &str, more: &str) -> Ran {
    let place = Place::new();
    let mut command = place.command(&format!("run --quiet --out r --seed 1 {more}"));
    command.args(["--setup", SET_UP, "--check", CHECK, "--", "sh", "-c", script, "sh", "{dir}"]);
    Ran::from(command.output().unwrap())
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_audit_of_a_bot_that_never_ends_says_how_it_writes_each_file() {
    let Some(python) = Interpreter::find(Language::Python) else { return };
    let place = Place::new();
    for bound in ["--saves 24", "--for 2s"] {
        let mut command = place.command(&format!("audit {bound} --"));
        // The interpreter without what is installed beside it has no SQLite in it: named as people do.
        command.args(["python3", &format!("{EXAMPLES}/python/ticker_bot.py"), "{dir}"]);
        let ran = Ran::from(command.output().unwrap());
        let said = words(&ran.out);
        assert_eq!(ran.exit, Some(1), "{python:?} {}{}", ran.out, ran.err);
        assert!(said.contains("a kill can leave 1 of 3 state files torn or empty"), "{}", ran.out);
        for row in ["fills.db SQLite database needs --check", "temp + rename", "truncate-and-write"] {
            assert!(said.contains(row), "{row}: {}", ran.out);
        }
        assert!(said.contains("What this rests on ended by crashtest after "), "{}", ran.out);
        assert!(said.contains("excluded bot.log (*.log)"), "{}", ran.out);
    }
}

#[test]
fn a_save_that_is_under_way_when_a_recording_ends_does_not_count() {
    // The fifth save has made its temporary file when it is ended.
    let script = r#"for n in 1 2 3 4 5; do
      exec 3> "$1/t"; [ $n = 5 ] && sleep 1000
      seq $n >&3; exec 3>&-; mv "$1/t" "$1/s"
    done"#;
    let place = Place::new();
    let mut command = place.command("audit --for 500ms --setup");
    command.args(["sh -c 'seq 9 > {dir}/s'", "--", "sh", "-c", script, "sh", "{dir}"]);
    let ran = Ran::from(command.output().unwrap());
    let said = words(&ran.out);
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    assert!(said.contains("the one state file is a whole version at all"), "{}", ran.out);
    assert!(said.contains("4 saves"), "{}", ran.out);
}

#[test]
fn a_sound_program_that_never_ends_passes_every_fault() {
    let ran = run(SOUND, "--fault none,kill,sweep,io -n 8 --max-states 24 --saves 4");
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let said = words(&ran.out);
    assert!(said.contains("the program does not end by itself: crashtest ended its recorded run after"), "{}", ran.out);
}

#[test]
fn a_broken_program_that_never_ends_is_found_under_each_fault() {
    for fault in ["kill -n 30", "sweep"] {
        let ran = run(BROKEN, &format!("--fault {fault} --saves 4"));
        assert_eq!(ran.exit, Some(1), "{fault}: {}{}", ran.out, ran.err);
    }
    let ran = run(LATE, "--fault sweep --saves 4");
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("lost-ack"), "{}", ran.out);
}

#[test]
fn a_program_that_begins_its_numbers_anew_is_told_so_before_any_verdict() {
    let anew = SOUND.replace(r#"n=$(head -n 1 "$1/s") && [ "$n" ] || exit 1"#, "n=0");
    let ran = run(&anew, "--saves 4");
    assert_eq!(ran.exit, Some(2), "{}{}", ran.out, ran.err);
    assert!(words(&ran.err).contains("the program began save 1 after save"), "{}", ran.err);
}

#[test]
fn what_ends_a_program_does_not_go_with_a_strategy() {
    for option in ["--for 5s", "--saves 3"] {
        let ran = Ran::from(Place::new().command(&format!("run --strategy atomic {option}")).output().unwrap());
        assert_eq!(ran.exit, Some(2), "{}", ran.err);
        assert!(ran.err.contains("it ends a program that goes on for ever"), "{}", ran.err);
    }
}

#[test]
fn a_run_is_over_when_its_time_is_and_says_what_was_not_asked() {
    let began = std::time::Instant::now();
    let ran = run(SOUND, "--fault sweep --for 60s --max-time 1s");
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "it would record for a minute");
    assert_eq!(ran.exit, Some(3), "{}{}", ran.out, ran.err);
    assert!(words(&ran.out).contains("the time budget ended"), "{}", ran.out);
}

#[test]
fn what_was_acknowledged_before_a_program_was_asked_to_end_is_there_after_it() {
    let stops = SOUND.replace("while :;", "trap stop=1 TERM; while [ -z \"$stop\" ];");
    let ran = run(&stops, "--fault kill --signal term -n 8 --saves 4");
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    // Finishes what it has begun.
    let finishes = stops.replace("seq $n $((n+900))", "(trap '' TERM; sleep 0.02; exec seq $n $((n+900)))");
    let ran = run(&finishes, "--fault kill --signal term -n 12 --saves 4");
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
    let ran = run(LATE, "--fault kill --signal term -n 30 --saves 4");
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("lost-ack") && words(&ran.out).contains("sent SIGTERM"), "{}", ran.out);
    let deaf = SOUND.replace("while :;", "trap '' TERM; while :;");
    let ran = run(&deaf, "--fault kill --signal term -n 2 --saves 4 --limit 2s");
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(words(&ran.out).contains("the program did not end within 2 s after SIGTERM"), "{}", ran.out);
    let aborted = run(SOUND, "--fault kill --signal abort -n 2");
    assert_eq!(aborted.exit, Some(2), "{}", aborted.err);
    assert!(aborted.err.contains("--signal abort is for strategies"), "{}", aborted.err);
}
