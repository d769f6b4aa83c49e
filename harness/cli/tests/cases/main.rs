//! Programs of all kinds, with the verdict that is right: broken ones that must be found, sound ones that must be green.
//!
//! Each is a few lines of `programs.py`, beside which it says what is sound or broken about it. What is swept, killed or made to fail is
//! bounded, so that all of them together take some minutes.

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;
use std::sync::Once;

use serde_json::Value;
use support::programs::{Interpreter, Language};
use support::{Place, Ran};

/// Where `programs.py` lies, and how it is started: as a module, which Python compiles once.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
const MAIN: [&str; 2] = ["-c", "from programs import main; main()"];

/// Lets Python find the programs in what `command` starts, and keep what it has compiled outside of the sources.
fn with_programs(command: &mut Command) {
    command.env("PYTHONPATH", PROGRAMS).env("PYTHONPYCACHEPREFIX", concat!(env!("CARGO_TARGET_TMPDIR"), "/python"));
    command.env_remove("PYTHONDONTWRITEBYTECODE");
}

/// Python, which has compiled the programs.
fn python() -> Option<Interpreter> {
    static COMPILED: Once = Once::new();
    let python = Interpreter::find(Language::Python)?;
    COMPILED.call_once(|| {
        let words = python.words(&["-c", "import programs"]);
        let mut command = Command::new(words[0]);
        with_programs(command.args(&words[1..]));
        assert!(command.status().unwrap().success());
    });
    Some(python)
}

/// What a case comes to.
#[derive(Clone, Copy, Debug)]
enum Right {
    /// A claim is broken, and this verdict is among those found.
    Broken(&'static str),
    /// No claim is broken, and something was proved.
    Sound,
    /// Nothing is proved, and the report says so in these words.
    Open(&'static str),
    /// The words of the program make no sense, as these say.
    Refused(&'static str),
}

/// Options of the cases: a checker for each state, none, no set-up.
const OURS: [&str; 3] = ["--each", "--unchecked", "--bare"];

/// A run of a program of this kind, with these options.
fn run(kind: &str, options: &str) -> (Ran, Place) {
    let place = Place::new();
    let python = python().expect("Python is here");
    let words: Vec<String> = python.words(&MAIN).iter().map(|word| format!("'{word}'")).collect();
    let role = |role: &str, dir: &str| format!("{} {role} {kind} {dir}", words.join(" "));
    let mut command = place.command("run --seed 1 --quiet --limit 60s");
    with_programs(&mut command);
    command.args(options.split_whitespace().filter(|word| !OURS.contains(word)));
    if !options.contains("--bare") {
        command.args(["--setup", &role("setup", "{dir}")]);
    }
    if options.contains("--each") {
        command.args(["--check", &role("check", "{dir}")]);
    } else if !options.contains("--unchecked") {
        command.args(["--check-batch", &role("batch", "-")]);
    }
    command.arg("--").args(python.words(&MAIN)).args(["run", kind, "{dir}"]);
    (Ran::from(command.output().unwrap()), place)
}

/// The verdicts of the newest run in `place` that break a claim.
fn verdicts(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.latest().join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let rows = summary["results"].as_array().unwrap();
    rows.iter().flat_map(|row| row["verdicts"].as_object().unwrap().keys().cloned()).collect()
}

/// Holds each case against what is right: the kind, the options, and that.
fn hold(cases: &[(&str, &str, Right)]) {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for (kind, options, right) in cases {
        let (ran, place) = run(kind, options);
        let text = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let case = format!("{kind} {options}: exit {:?}, {}{}", ran.exit, ran.out, ran.err);
        match right {
            Right::Broken(verdict) => {
                assert_eq!(ran.exit, Some(1), "{case}");
                assert!(verdicts(&place).iter().any(|found| found == verdict), "{case}");
            }
            Right::Sound => assert_eq!(ran.exit, Some(0), "{case}"),
            Right::Open(words) => {
                assert_eq!(ran.exit, Some(3), "{case}");
                assert!(text.contains(words), "{case}");
            }
            Right::Refused(words) => {
                assert_eq!(ran.exit, Some(2), "{case}");
                assert!(ran.err.contains(words), "{case}");
            }
        }
    }
}

const SWEEP: &str = "--fault sweep --max-states 16";
const KILL: &str = "--fault kill --iterations 8";
const IO: &str = "--fault io --max-states 40";

#[test]
fn names_lead_where_the_kernel_leads_them() {
    hold(&[
        ("through_a_descriptor", "--fault sweep --max-states 60", Right::Broken("empty")),
        ("through_a_descriptor", "--fault kill --iterations 40", Right::Broken("empty")),
        ("by_a_link_from_outside", "--fault sweep --max-states 60", Right::Broken("torn")),
        ("by_a_second_name_outside", "--fault sweep --max-states 60", Right::Broken("empty")),
        ("resolved_in_a_root", "--fault sweep --max-states 60", Right::Broken("empty")),
    ]);
}

#[test]
fn what_a_program_reaches_from_elsewhere_is_seen() {
    let mut cases = vec![
        ("from_within", "--fault sweep --max-states 60", Right::Broken("empty")),
        ("copied_inside_the_kernel", "--fault sweep --max-states 60", Right::Broken("torn")),
        ("through_elsewhere", SWEEP, Right::Sound),
        ("through_elsewhere", KILL, Right::Sound),
    ];
    // chroot(2) is for root.
    if is_root() {
        cases.push(("in_another_mount", "--fault sweep --max-states 60", Right::Broken("empty")));
        cases.push(("with_a_device", SWEEP, Right::Open("is a device, which is not put back")));
        cases.push(("in_another_root", "--fault sweep --max-states 60", Right::Broken("empty")));
        cases.push(("as_nobody", SWEEP, Right::Sound));
    }
    hold(&cases);
}

#[test]
fn changes_that_no_write_makes_are_seen() {
    hold(&[
        ("punched", "--fault sweep --max-states 60", Right::Broken("torn")),
        ("zeroed_by_ioctl", "--fault sweep --max-states 60", Right::Broken("wont-open")),
        ("cleared_in_memory", "--fault sweep --max-states 60", Right::Broken("torn")),
        (
            "stored_in_much_memory",
            SWEEP,
            Right::Open("calls of the program were missed: `ledger` holds something else"),
        ),
        ("fails_to_collapse", SWEEP, Right::Sound),
        ("asks_a_listener", SWEEP, Right::Open("crashtest has no model of seccomp")),
        ("hints_in_memory", "--fault sweep", Right::Sound),
        ("stored_in_memory", SWEEP, Right::Broken("torn")),
        ("stored_in_memory", KILL, Right::Broken("torn")),
    ]);
}

#[test]
fn all_that_a_restart_can_read_is_put_back() {
    hold(&[
        ("newest_first", SWEEP, Right::Sound),
        ("newest_first", KILL, Right::Sound),
        ("newest_in_place", SWEEP, Right::Broken("torn")),
        ("sum_before", SWEEP, Right::Sound),
        ("sum_after", SWEEP, Right::Broken("wont-open")),
        ("for_everybody", SWEEP, Right::Sound),
        ("for_everybody", KILL, Right::Sound),
    ]);
}

#[test]
fn files_of_all_kinds_are_put_back() {
    hold(&[
        ("two_names", SWEEP, Right::Sound),
        ("two_names_in_place", SWEEP, Right::Broken("torn")),
        ("with_a_pipe", SWEEP, Right::Sound),
        ("with_a_socket", SWEEP, Right::Sound),
        ("with_holes", SWEEP, Right::Sound),
        ("in_a_tebibyte", SWEEP, Right::Sound),
        ("in_one_place_of_a_tebibyte", "--fault sweep --max-states 60", Right::Broken("torn")),
        ("without_a_name", SWEEP, Right::Sound),
        ("exchanged", SWEEP, Right::Sound),
    ]);
}

#[test]
fn runs_that_differ_are_swept_from_one_of_them() {
    hold(&[
        ("stamped", SWEEP, Right::Sound),
        ("stamped", "--fault sweep --max-states 16 --unchecked", Right::Sound),
        ("stamped", IO, Right::Sound),
        ("stamped_in_place", SWEEP, Right::Broken("torn")),
        ("another_name_each_time", SWEEP, Right::Sound),
        ("log_with_times", SWEEP, Right::Broken("lost-ack")),
        ("log_mended", SWEEP, Right::Sound),
    ]);
}

#[test]
fn threads_are_swept_in_the_order_that_they_had() {
    hold(&[
        ("threads_in_turn", SWEEP, Right::Sound),
        // An error in a thread that nobody asks for it is nobody's.
        ("threads_in_turn", IO, Right::Broken("false-ack")),
        ("thread_beside", SWEEP, Right::Broken("lost-ack")),
    ]);
}

#[test]
fn a_start_that_does_not_go_well_is_a_finding() {
    hold(&[
        ("lock_file", SWEEP, Right::Broken("wont-open")),
        ("lock_file", "--fault kill --iterations 16 --continue", Right::Broken("wont-open")),
        ("starts_without_a_word", SWEEP, Right::Broken("wont-open")),
        ("lock_that_dies", SWEEP, Right::Sound),
        ("lock_that_dies", "--fault kill --iterations 16 --continue", Right::Sound),
        ("counts_from_one", SWEEP, Right::Refused("began save 1 after save 3 was acknowledged and found")),
        ("counts_anew_after_a_crash", "--fault sweep --max-states 60", Right::Refused("began save 1 after save 2")),
        ("one_save", "--fault sweep --bare", Right::Sound),
        ("one_save", "--fault kill --iterations 30 --bare", Right::Sound),
        ("starts_over_damage", SWEEP, Right::Broken("torn")),
    ]);
}

#[test]
fn a_start_that_does_not_go_well_is_told_with_its_last_words() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for (kind, words) in
        [("lock_file", "FileExistsError"), ("starts_without_a_word", "did not print “crashtest: ready”")]
    {
        let (ran, _place) = run(kind, SWEEP);
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("on an intact state, started again: the program"), "{kind}: {}", ran.out);
        assert!(said.contains(words), "{kind}: {}", ran.out);
    }
}

#[test]
fn what_was_not_judged_of_a_sound_program_is_named() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for (kind, words) in [
        ("maps_outside", "files written outside the state directory, which no crash state holds: /"),
        ("maps_outside", "/memo"),
        ("memo_beside", "the checker does not notice that `a-memo` is torn, empty or missing: not judged"),
    ] {
        let (ran, _place) = run(kind, SWEEP);
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.exit, Some(0), "{kind}: {}", ran.out);
        assert!(said.contains(words), "{kind}: {said}");
    }
}

#[test]
fn a_kill_comes_inside_a_call_that_copies_in_the_kernel_as_well() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    let (ran, place) = run("copied_inside_the_kernel", "--fault sweep --max-states 60");
    let is_inside = |trial: &Value| trial["phase"].as_str().is_some_and(|phase| phase.ends_with("in-write"));
    let is_killed = |trial: &Value| trial["outcome"]["judged"] == "torn" && trial["landed"]["by"] == "kill";
    assert!(
        place.trials().iter().any(|trial| is_inside(trial) && is_killed(trial)),
        "{} {:?}",
        ran.out,
        place.trials()
    );
}

#[test]
fn what_there_is_no_model_of_counts_where_it_succeeds() {
    let place = Place::new();
    let kind = Command::new("stat").args(["-f", "-c", "%T"]).arg(place.path()).output().unwrap();
    if String::from_utf8_lossy(&kind.stdout).trim() == "ext2/ext3" {
        hold(&[("collapsed", SWEEP, Right::Open("crashtest has no model of fallocate"))]);
    }
}

#[test]
fn a_start_that_goes_on_over_damage_destroys_what_could_have_been_recovered() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for (kind, destroys) in [("starts_over_damage", true), ("stops_at_damage", false)] {
        let (ran, place) = run(kind, "--fault sweep --max-states 40");
        assert_eq!(ran.exit, Some(1), "{kind}: {}{}", ran.out, ran.err);
        let found = verdicts(&place).iter().any(|found| found == "silent-reset");
        assert_eq!(found, destroys, "{kind}: {}", ran.out);
        assert_eq!(ran.out.contains("started again on the damaged files"), destroys, "{kind}: {}", ran.out);
    }
}

#[test]
fn a_checker_is_believed_in_what_counts() {
    hold(&[
        ("with_a_backup", SWEEP, Right::Sound),
        ("by_content", SWEEP, Right::Sound),
        ("linked_version", SWEEP, Right::Sound),
        ("journalled", SWEEP, Right::Sound),
        ("journal_believed", "--fault sweep", Right::Broken("torn")),
        ("table", SWEEP, Right::Sound),
        ("table_with_a_log", SWEEP, Right::Sound),
        ("with_a_backup", "--fault sweep --max-states 16 --each", Right::Sound),
    ]);
}

#[test]
fn saves_that_are_independent_are_judged_each_for_itself() {
    hold(&[
        ("each_for_itself", SWEEP, Right::Sound),
        ("each_for_itself", "--fault sweep --max-states 16 --each", Right::Sound),
        ("each_for_itself_unsaid", SWEEP, Right::Sound),
        ("one_is_lost", SWEEP, Right::Broken("lost-ack")),
    ]);
}

#[test]
fn calls_that_fail_are_noticed_or_not() {
    hold(&[
        ("takes_what_was_written", IO, Right::Broken("false-ack")),
        ("tries_the_rest_once", "--fault io", Right::Broken("false-ack")),
        ("goes_on_after_a_failed_sync", IO, Right::Broken("false-ack")),
        ("says_nothing", "--fault io --max-states 60 --each", Right::Open("trials are inconclusive")),
        ("starts_anew_where_it_cannot_read", IO, Right::Broken("silent-reset")),
        ("writes_it_anew", IO, Right::Sound),
    ]);
}

#[test]
fn what_is_harmless_is_no_finding() {
    hold(&[
        ("log_mended", IO, Right::Sound),
        ("table", IO, Right::Sound),
        ("table_with_a_log", IO, Right::Sound),
        ("memo_beside", "--fault io --each", Right::Sound),
        ("memo_beside", SWEEP, Right::Sound),
        ("through_elsewhere", IO, Right::Sound),
        ("through_elsewhere_unlooked", IO, Right::Broken("false-ack")),
    ]);
}

/// An audit of a program of this kind in an empty directory of its own, with these options and the set-up done.
fn audit(kind: &str, options: &str, set_up: bool) -> (Ran, Place) {
    let place = Place::new();
    let python = python().expect("Python is here");
    let words = |role: &'static str| python.words(&MAIN).into_iter().chain([role, kind, "."]).collect::<Vec<_>>();
    if set_up {
        let words = words("setup");
        let mut setup = Command::new(words[0]);
        with_programs(setup.args(&words[1..]).current_dir(place.path()));
        assert!(setup.status().unwrap().success());
    }
    let mut command = place.command(&format!("audit {options}"));
    with_programs(&mut command);
    command.arg("--").args(words("run"));
    (Ran::from(command.output().unwrap()), place)
}

#[test]
fn an_audit_judges_saves_that_are_independent_each_for_itself() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let words = |role| python.words(&MAIN).into_iter().chain([role, "each_for_itself", "{dir}"]).collect::<Vec<_>>();
    let mut command = place.command("audit --setup");
    with_programs(&mut command);
    let quoted = |role| words(role).iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    command.args([&quoted("setup"), "--check", &quoted("check"), "--"]).args(words("run"));
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn an_audit_tells_the_truth_the_first_time() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for (kind, options, set_up, exit, words) in [
        ("makes_it", "", false, 1, "torn or empty while the next run"),
        ("makes_it", "", true, 1, "truncate-and-write"),
        ("keeps_dated_copies", "", true, 0, "whole at all"),
        ("makes_it_whole", "", false, 0, "whole at all"),
        ("makes_it_new", "", false, 3, "nothing was judged"),
        ("makes_it_new", "--accept-unchecked", false, 0, "written only once"),
        ("keeps_a_log", "", false, 0, "*.log"),
        ("rewrites_a_log", "", true, 1, "trades.log"),
        ("table", "", true, 3, "SQLite database"),
        ("table_with_a_log", "", true, 3, "SQLite database"),
    ] {
        let (ran, _place) = audit(kind, options, set_up);
        let text = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.exit, Some(exit), "{kind} {options} {set_up}: {}{}", ran.out, ran.err);
        assert!(text.contains(words), "{kind}: {}", ran.out);
        if kind.starts_with("table") {
            assert!(!text.contains("t.db-"), "one row: {}", ran.out);
            assert!(text.contains("pragma integrity_check"), "a checker to paste: {}", ran.out);
        }
    }
}

#[test]
fn what_is_redirected_into_the_directory_is_no_state() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    let place = Place::new();
    let python = python().expect("Python is here");
    let out = std::fs::File::create(place.path().join("report.txt")).unwrap();
    let mut command = place.command("audit");
    with_programs(&mut command);
    command.arg("--").args(python.words(&MAIN)).args(["run", "prints", "."]);
    let status = command.stdout(out.try_clone().unwrap()).stderr(out).status().unwrap();
    let text = std::fs::read_to_string(place.path().join("report.txt")).unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(text.contains("the one state file is a whole version"), "{text}");
}

#[test]
fn the_same_seed_gives_the_same_table_for_programs_that_differ_from_run_to_run() {
    if Interpreter::find(Language::Python).is_none() {
        return;
    }
    for kind in ["stamped_in_place", "another_name_each_time", "log_with_times"] {
        let table = || {
            let (ran, place) = run(kind, SWEEP);
            let text = std::fs::read_to_string(place.latest().join("summary.json")).unwrap();
            let summary: Value = serde_json::from_str(&text).unwrap();
            let verdicts = summary["results"].as_array().unwrap().iter().map(|row| row["verdicts"].clone());
            (ran.exit, verdicts.collect::<Vec<_>>())
        };
        assert_eq!(table(), table(), "{kind}");
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
