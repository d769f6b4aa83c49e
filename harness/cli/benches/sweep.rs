//! How many crash points a second a sweep gets through, and how many distinct crash states.
//!
//! The peer of the first is the loop that people write in a shell: put the state back, run the program under
//! `strace -f -e inject=CALL:signal=KILL:when=N`, start it again and see what it says. Its program is this very one, started again: it opens and
//! saves the same state with the same strategy as often as the recorded life of a sweep. Both are in memory; of the sweep, crash
//! points by the wall clock of the whole sweep, its recordings and confirming kills with it.
//!
//! Budgets: where every point is reached by a real kill ≥ 10 × the loop, where it is derived ≥ 100 ×; ≥ 20,000 distinct crash states
//! a second by two workers on a state of 4 KiB, each put into a directory, restarted on and judged. The last is the one absolute
//! number here: a target for two processors of today.
//!
//! Without strace the loop cannot run: the benchmark says so and prints the rest.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod support;

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crashtest_kit::fs::Fs;
use crashtest_kit::{BOARD_WORDS, Board, Place, Recovered, Registry, Target};
use crashtest_linux::shared;
use crashtest_model::{Bytes, Generation, Loader, Seed, TargetSpec};
use crashtest_strategies::Builtin;
use support::{Campaign, MEMORY, Measured, has_strace, median, verdict};

const ROUNDS: u64 = 3;
/// What is compared with the loop: a strategy that survives kills, so that no point needs a real kill to be believed.
const STRATEGY: &str = "atomic";
/// For distinct states: temporaries with names of their own, so that hardly two crashes leave the same files.
const DISTINCT: &str = "atomic-fsync";
/// As many as in the recorded life of a sweep.
const SAVES: u64 = 6;
const LOOPS: u64 = 4;
/// Crash points of each life where every one is a real kill: as many in the life after each of them again.
const REAL_POINTS: &str = "40";

const BUDGET_REAL: f64 = 10.0;
const BUDGET_DERIVED: f64 = 100.0;
const BUDGET_STATES: f64 = 20_000.0;

/// The loop. It prints how many points it has judged.
const SHELL_LOOP: &str = r#"
judged=0
for call in write rename; do
    n=1
    while [ $n -le $SAVES ]; do
        rm -rf "$PLACE/state"
        cp -r "$PLACE/installed" "$PLACE/state"
        strace -f -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n "$PROGRAM" live "$PLACE/state"
        [ $? -eq 137 ] || exit 1
        "$PROGRAM" check "$PLACE/state" || exit 1
        judged=$((judged + 1))
        n=$((n + 1))
    done
done
echo $judged
"#;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["install", dir] => ExitCode::from(u8::from(target(dir).init().is_err())),
        ["live", dir] => ExitCode::from(u8::from(!live(dir))),
        ["check", dir] => ExitCode::from(u8::from(!matches!(target(dir).open(), Ok(Recovered::State { .. })))),
        _ => compare(),
    }
}

fn compare() -> ExitCode {
    let small = |strategy, seed, jobs, more: &[&str]| -> Measured {
        Campaign::sweep(strategy, seed, jobs).with(&["--state-size", "4KiB", "--tears", "posix"]).with(more).run()
    };
    let all_real = ["--confirm", "all", "--max-states", REAL_POINTS];
    let with_loop = has_strace();
    let (mut real, mut derived, mut one_real, mut one_derived) = (vec![], vec![], vec![], vec![]);
    let (mut states, mut one_states) = (vec![], vec![]);
    for seed in 1..=ROUNDS {
        if with_loop {
            let points = shell_loop();
            real.push(small(STRATEGY, seed, 2, &all_real).per_second("kills_landed") / points);
            one_real.push(small(STRATEGY, seed, 1, &all_real).per_second("kills_landed") / points);
            derived.push(small(STRATEGY, seed, 2, &[]).per_second("trials") / points);
            one_derived.push(small(STRATEGY, seed, 1, &[]).per_second("trials") / points);
        }
        states.push(small(DISTINCT, seed, 2, &[]).per_second("distinct_states"));
        one_states.push(small(DISTINCT, seed, 1, &[]).per_second("distinct_states"));
    }
    let mut met = true;
    let mut row = |name: &str, one: &[f64], two: &[f64], budget: f64| {
        let two = median(two);
        met &= two >= budget;
        println!("{name:<52} {:>10.1} {two:>10.1} {:>10}", median(one), format!(">= {budget}"));
    };
    println!("a state of 4 KiB in memory; medians of {ROUNDS} rounds\n");
    println!("{:<52} {:>10} {:>10} {:>10}", "", "1 worker", "2 workers", "budget");
    if with_loop {
        row(&format!("{STRATEGY}: points by real kills / shell loop"), &one_real, &real, BUDGET_REAL);
        row(&format!("{STRATEGY}: derived points / shell loop"), &one_derived, &derived, BUDGET_DERIVED);
    }
    row(&format!("{DISTINCT}: distinct crash states a second"), &one_states, &states, BUDGET_STATES);
    println!("\nbudgets: of two workers");
    verdict(met)
}

/// Crash points per second of the loop.
fn shell_loop() -> f64 {
    let place = tempfile::Builder::new().prefix(".bench-").tempdir_in(MEMORY).expect("a file system in memory");
    let installed = place.path().join("installed");
    fs::create_dir(&installed).expect("a directory");
    let program = std::env::current_exe().expect("/proc");
    let status = Command::new(&program).arg("install").arg(&installed).status().expect("this program");
    assert!(status.success(), "nothing could be installed");
    let began = Instant::now();
    let mut judged = 0;
    for _ in 0..LOOPS {
        let output = Command::new("sh")
            .args(["-c", SHELL_LOOP])
            .env("PLACE", place.path())
            .env("PROGRAM", &program)
            .env("SAVES", SAVES.to_string())
            .output()
            .expect("a shell");
        assert!(output.status.success(), "the loop: {}", String::from_utf8_lossy(&output.stderr));
        judged += String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("a count");
    }
    judged as f64 / began.elapsed().as_secs_f64()
}

/// Opens and saves, as the life that a sweep records.
fn live(dir: &str) -> bool {
    let mut target = target(dir);
    let Ok(Recovered::State { sequence, .. }) = target.open() else { return false };
    (1..=SAVES).all(|n| target.save(Generation(sequence.0 + n)).is_ok())
}

fn target(dir: &str) -> Box<dyn Target> {
    let dir = Path::new(dir).to_owned();
    let words = shared::map(NonZeroUsize::new(BOARD_WORDS).expect("not zero")).expect("memory");
    let spec = TargetSpec {
        strategy: STRATEGY.to_owned(),
        workload: "fills".to_owned(),
        loader: Loader::Strict,
        state_size: Bytes::kib(4),
        idle_us: 0,
        writers: 1,
        threads: false,
        readers: 0,
    };
    let place = Place { fs: Fs::new(Board::over(words), dir.clone()), dir, names: Seed(1), writer: 0 };
    Builtin.target(&spec, Seed(1), place).expect("a built-in target")
}
