//! For a crate's own tests: this save and this load survive every crash point.
//!
//! The test starts itself again as the program that saves, and as the one that loads; the `crashtest` binary records, crashes and
//! judges them. It is found by `CRASHTEST_BIN`, beside the test, or on the `PATH`.

use std::any::type_name_of_val;
use std::env;
use std::fmt::{Display, Write as _};
use std::io::{BufRead, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Which part of the test a process of it plays.
const ROLE: &str = "CRASHTEST_ROLE";
/// Saves of one run.
const SAVES: u64 = 4;
/// Findings that a message tells in full.
const MOST_FINDINGS: usize = 3;

/// Panics unless every crash point of some saves leaves what the load can take, and nothing acknowledged is lost.
///
/// `save(dir, n)` makes the state after operation `n` durable below `dir`; operation 0 is the set-up. `load(dir)` says after which
/// operation the state is that it finds: `Ok(None)` for none, a fresh start; an error where it noticed damage. Both may be called in
/// processes of their own, by the same test, and must do the same each time.
///
/// ```no_run
/// # use std::{fs, io, path::Path};
/// # fn save(dir: &Path, n: u64) -> io::Result<()> { fs::write(dir.join("n"), n.to_string()) }
/// # fn load(dir: &Path) -> io::Result<Option<u64>> { Ok(fs::read_to_string(dir.join("n"))?.parse().ok()) }
/// #[test]
/// fn settings_survive_every_crash() {
///     crashtest_kit::survives!(save, load);
/// }
/// ```
#[macro_export]
macro_rules! survives {
    ($save:expr, $load:expr $(,)?) => {{
        fn here() {}
        $crate::testing::survives(&$crate::testing::test_around(&here), $save, $load)
    }};
}

/// The name of the test that defines the function `here`, as the test runner has it.
#[must_use]
pub fn test_around<F>(here: &F) -> String {
    let path = type_name_of_val(here);
    let path = path.strip_suffix("::here").unwrap_or(path);
    path.split_once("::").map_or(path, |(_crate, test)| test).to_owned()
}

/// Does what [`survives!`](crate::survives) does, in the test of this name.
///
/// # Panics
/// A crash point broke a claim, or nothing could be tested; the message says which, and how to see it again.
pub fn survives<S: Display, L: Display>(
    test: &str,
    mut save: impl FnMut(&Path, u64) -> Result<(), S>,
    mut load: impl FnMut(&Path) -> Result<Option<u64>, L>,
) {
    let dir = || PathBuf::from(env::var_os("CRASHTEST_DIR").expect("crashtest names the state directory"));
    match env::var(ROLE).as_deref() {
        Ok("install") => end(save(&dir(), 0)),
        Ok("save") => {
            let dir = dir();
            let found = load(&dir).map(Option::unwrap_or_default);
            let first = found.unwrap_or_else(|error| panic!("the state that it starts from is damaged: {error}"));
            say("ready");
            end::<S>((first + 1..=first + SAVES).try_for_each(|n| {
                say(&format!("begin {n}"));
                save(&dir, n)?;
                say(&format!("ack {n}"));
                Ok(())
            }))
        }
        Ok("load") => {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                say(&match load(Path::new(&line)) {
                    Ok(Some(n)) => format!("state {n}"),
                    Ok(None) => "fresh".to_owned(),
                    Err(error) => format!("refused {}", error.to_string().replace('\n', " ")),
                });
            }
            end(Ok::<(), S>(()))
        }
        _ => judge(test),
    }
}

/// Says something to crashtest, on a line of its own whatever the test runner has printed before.
#[expect(clippy::print_stdout, reason = "this is what crashtest listens to")]
fn say(words: &str) {
    println!("\ncrashtest: {words}");
    let _ = std::io::stdout().flush();
}

/// Ends a process that played its part: the test around it is not to go on.
#[expect(clippy::exit, clippy::print_stderr, reason = "a part, not the test")]
fn end<E: Display>(result: Result<(), E>) -> ! {
    match result {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}

/// Lets crashtest run the parts, and panics with what it found.
fn judge(test: &str) {
    let myself = env::current_exe().unwrap_or_else(|error| panic!("this test does not find itself: {error}"));
    let part = |role: &str| {
        let role = format!("{ROLE}={role}");
        let myself = myself.to_string_lossy().into_owned();
        ["env", &role, &myself, "--exact", test, "--nocapture", "--test-threads=1"].map(str::to_owned)
    };
    let quoted = |role: &str| part(role).map(|word| format!("'{}'", word.replace('\'', "'\\''"))).join(" ");
    let results = myself.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("crashtest-results");
    let mut command = Command::new(binary(&myself));
    command
        .args(["run", "--quiet", "--output-format", "json", "--seed", "1", "--fault", "sweep"])
        // The parts read CRASHTEST_DIR: see `survives`.
        .arg("--uses-env")
        .args(["--setup", &quoted("install"), "--check-batch", &quoted("load"), "--out"])
        .arg(&results)
        .arg("--")
        .args(part("save"));
    let ran = command.output().unwrap_or_else(|error| {
        panic!(
            "failed to start `{}`: {error}; install crashtest, or name it by CRASHTEST_BIN",
            binary(&myself).display()
        )
    });
    if ran.status.code() != Some(0) {
        panic!("{}", message(&ran));
    }
}

/// The `crashtest` binary: as named, beside the test (in its own workspace), or on the `PATH`.
fn binary(myself: &Path) -> PathBuf {
    let named = env::var_os("CRASHTEST_BIN").map(PathBuf::from);
    let beside = || Some(myself.parent()?.parent()?.join("crashtest")).filter(|path| path.is_file());
    named.or_else(beside).unwrap_or_else(|| PathBuf::from("crashtest"))
}

/// Returns what a run that was not all green comes to, for people.
fn message(ran: &Output) -> String {
    let said = String::from_utf8_lossy(&ran.stderr);
    let Ok(summary) = serde_json::from_slice::<Value>(&ran.stdout) else {
        return format!("crashtest could not test it ({}): {}", ran.status, said.trim());
    };
    let rows = || summary["results"].as_array().into_iter().flatten();
    let list = |value: &Value| -> Vec<Value> { value.as_array().cloned().unwrap_or_default() };
    let findings: Vec<Value> = rows().flat_map(|row| list(&row["findings"])).collect();
    if findings.is_empty() {
        let reasons: Vec<String> =
            rows().flat_map(|row| list(&row["gate"]["reasons"])).map(|reason| text(&reason)).collect();
        return format!("nothing is proven ({}): {} {}", ran.status, reasons.join("; "), said.trim());
    }
    let broken: u64 = findings.iter().filter_map(|finding| finding["count"].as_u64()).sum();
    let trials: u64 = rows().filter(|row| row["fault"] == "sweep").filter_map(|row| row["trials"].as_u64()).sum();
    let mut message = format!("it does not survive every crash: {broken} of {trials} crash points broke a claim\n");
    for finding in findings.iter().take(MOST_FINDINGS) {
        let [verdict, why, fix, replay] = ["verdict", "explanation", "fix", "replay"].map(|key| text(&finding[key]));
        let _ =
            write!(message, "\n{verdict} ({} times): {why}\n  fix:    {fix}\n  replay: {replay}\n", finding["count"]);
    }
    if findings.len() > MOST_FINDINGS {
        let _ = writeln!(message, "\nand {} more kinds of failure", findings.len() - MOST_FINDINGS);
    }
    message
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_knows_its_own_name() {
        fn here() {}
        assert_eq!(super::test_around(&here), "testing::tests::a_test_knows_its_own_name");
    }
}
