//! What a program and its checker print is read as it comes, however much that is: no line of the protocol is lost in it, nothing of it
//! is kept in files, and nobody is stopped by a pipe that is full.

mod support;

use serde_json::Value;
use support::{Place, Ran, verdicts};

/// Prints more than a pipe holds, in writes that are larger and smaller than it.
const FLOOD: &str = "head -c 3000000 /dev/zero; dd if=/dev/zero bs=2500000 count=1 2> /dev/null";
/// Three saves that are not atomic, each acknowledged, with a flood before and after each line.
fn saves(flood: &str) -> String {
    format!(
        "n=$(wc -l < {{dir}}/f); echo crashtest: ready; for m in 1 2 3; do n=$((n + 1)); {flood}; echo; \
         echo crashtest: begin $n; {flood}; seq $n > {{dir}}/t; mv {{dir}}/t {{dir}}/f; {flood}; echo; echo crashtest: ack $n; done"
    )
}

const SETUP: &str = "touch {dir}/f";

fn run(place: &Place, options: &str, check: &[&str], program: &str) -> (Ran, Value) {
    let mut command = place.command(&format!("run --quiet --seed 1 --limit 120s --output-format json {options}"));
    command.args(["--setup", SETUP]).args(check).args(["--", "sh", "-c", program]);
    let ran = Ran::from(command.output().unwrap());
    let summary = serde_json::from_str(&ran.out).unwrap_or(Value::Null);
    (ran, summary)
}

const CHECK: [&str; 2] = ["--check", "sh -c 'echo crashtest: state $(wc -l < {dir}/f)'"];

/// How many saves were acknowledged, over all rows of these faults.
fn acked(summary: &Value) -> u64 {
    summary["results"].as_array().unwrap().iter().filter_map(|row| row["acked"].as_u64()).sum()
}

#[test]
fn promises_between_floods_are_heard_under_every_fault() {
    for options in ["--fault sweep --max-states 12", "--fault kill --iterations 8", "--fault io --max-states 6"] {
        let place = Place::new();
        let quiet = run(&place, options, &CHECK, &saves(":"));
        let loud = run(&place, options, &CHECK, &saves(FLOOD));
        if options.contains("kill") {
            // Where eight kills land is the clock's affair: too few in a save prove nothing, and that is said.
            for (ran, summary) in [&loud, &quiet] {
                let rows = summary["results"].as_array().unwrap();
                let proves = rows.iter().all(|row| row["gate"]["passed"] == true);
                assert_eq!(ran.exit, Some(if proves { 0 } else { 3 }), "{}{}", ran.out, ran.err);
            }
        } else {
            assert_eq!(loud.0.exit, quiet.0.exit, "{options}: {}{}", loud.0.out, loud.0.err);
            assert_eq!(acked(&loud.1), acked(&quiet.1), "{options}: the same promises");
        }
        assert!(acked(&loud.1) > 0, "{options}: {}", loud.0.out);
    }
}

#[test]
fn a_lost_ack_is_seen_behind_a_flood() {
    // Acknowledges each save before it makes it.
    let program = format!(
        "o=$(cat {{dir}}/f 2>/dev/null | wc -l); echo crashtest: ready; for n in $((o+1)) $((o+2)) $((o+3)); do {FLOOD}; echo; echo crashtest: begin $n; echo crashtest: ack $n; {FLOOD}; \
         seq $n > {{dir}}/t; mv {{dir}}/t {{dir}}/f; done"
    );
    let (ran, summary) = run(&Place::new(), "--fault sweep --max-states 12", &CHECK, &program);
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(verdicts(&summary).contains(&"lost-ack".to_owned()), "{}", ran.out);
}

#[test]
fn a_flood_of_complaints_ends_with_the_last_line_that_is_quoted() {
    for fault in ["sweep", "kill --iterations 3"] {
        let program = format!("{{ {FLOOD}; echo; echo no more room; }} >&2; exit 3; : {{dir}}");
        let (ran, _) = run(&Place::new(), &format!("--fault {fault}"), &[], &program);
        assert_eq!(ran.exit, Some(4), "{fault}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains("exited with status 3: no more room"), "{fault}: {}", ran.out);
    }
}

#[test]
fn checkers_are_understood_behind_floods() {
    let each = format!("sh -c '{FLOOD}; echo; echo crashtest: state $(wc -l < {{dir}}/f); {{ {FLOOD}; }} >&2'");
    let batch = format!(
        "sh -c 'while read -r d; do {FLOOD}; echo; {{ {FLOOD}; }} >&2; echo crashtest: state $(wc -l < $d/f); done'"
    );
    for check in [["--check", &each], ["--check-batch", &batch]] {
        let (ran, summary) = run(&Place::new(), "--fault sweep --max-states 6", &check, &saves(":"));
        assert_eq!(ran.exit, Some(0), "{check:?}: {}{}", ran.out, ran.err);
        assert!(verdicts(&summary).iter().all(|verdict| verdict == "intact"), "{}", ran.out);
    }
}

#[test]
fn closed_and_inherited_output_stops_nobody() {
    // The one that is left running holds the pipes; the last save is made without any.
    let program =
        "sleep 0.3 & seq 1 > {dir}/t; mv {dir}/t {dir}/f; exec > /dev/null 2>&1; seq 2 > {dir}/t; mv {dir}/t {dir}/f";
    let check = ["--check", "test -e {dir}/f"];
    for fault in ["sweep --max-states 6", "kill --iterations 4"] {
        let (ran, _) = run(&Place::new(), &format!("--fault {fault}"), &check, program);
        assert!(ran.exit.is_some_and(|exit| exit < 4 && exit != 2), "{fault}: {:?} {}{}", ran.exit, ran.out, ran.err);
    }
}
