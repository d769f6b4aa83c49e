//! Constructed runs: a broken one (`direct`), a clean one (`atomic`), and what tests need to write them down.

use crashtest_model::{
    About, Activity, Aim, At, Budget, Bytes, Call, CallFailure, CallIndex, CallMark, Conditions, ConsequencePhrase,
    Consequences, Coverage, CrashPoint, Digest, Documented, Environment, Expectation, FORMAT, FailureDetail, Fault,
    FileSystem, Gaps, Generation, Injection, KillAt, Lasting, Loader, Note, Observed, Outcome, Plan, Promise, RawFile,
    RawState, Rows, RunRecord, Seed, Signal, Start, StrategyInfo, TargetSpec, Termination, TrialRecord, Verdict,
    WorkloadInfo,
};

/// Bytes of a whole state.
pub(crate) const WHOLE: u64 = 61_433;

pub(crate) fn run(strategy: &str, recipe: &str, must: &[Verdict]) -> RunRecord {
    RunRecord {
        format: FORMAT.into(),
        started: "2026-11-21T02:52:46Z".into(),
        command: vec!["crashtest".into(), "run".into(), "--strategy".into(), strategy.into()],
        plan: Plan {
            target: TargetSpec {
                strategy: strategy.into(),
                workload: "fills".into(),
                loader: Loader::Strict,
                state_size: Bytes::kib(64),
                idle_us: 0,
                writers: 1,
                threads: false,
                readers: 0,
            },
            faults: vec![crashtest_model::Fault::Kill],
            kill_at: KillAt::Any,
            signal: Signal::Kill,
            tears: crashtest_model::Tears::Kernel,
            confirm: crashtest_model::Confirm::Sample,
            max_states: None,
            seed: Seed(12345),
            budget: Budget { iterations: Some(1000), duration_ms: None, max_ms: None, max_failures: None, jobs: 2 },
            fresh: false,
            limit_ms: 2000,
            sandbox_parent: "results".into(),
            planted: None,
            program: None,
        },
        strategy: StrategyInfo {
            name: strategy.into(),
            summary: "writes the state".into(),
            shape: crashtest_model::Shape::Document,
            recipe: recipe.into(),
            origin: "everywhere".into(),
            documented: vec![
                Documented {
                    loader: Loader::Strict,
                    fault: Fault::None,
                    start: Start::Again,
                    conditions: Conditions::default(),
                    expectation: Expectation::default(),
                },
                Documented {
                    loader: Loader::Strict,
                    fault: Fault::Kill,
                    start: Start::Again,
                    conditions: Conditions::default(),
                    expectation: Expectation { must: must.to_vec(), one_of: vec![], may: vec![] },
                },
                Documented {
                    loader: Loader::Strict,
                    fault: Fault::Kill,
                    start: Start::First,
                    conditions: Conditions::default(),
                    expectation: Expectation {
                        must: vec![],
                        one_of: vec![],
                        may: if must.is_empty() { vec![] } else { vec![Verdict::Empty, Verdict::Torn] },
                    },
                },
            ],
            planted: false,
        },
        workload: WorkloadInfo {
            name: "fills".into(),
            summary: "fills of orders".into(),
            shapes: vec![crashtest_model::Shape::Document],
            phrases: vec![
                ConsequencePhrase { key: "drift".into(), words: "shares of drift that nobody was told of".into() },
                ConsequencePhrase { key: "alerts".into(), words: "alerts that fire again".into() },
            ],
        },
        environment: Environment {
            version: "0.1.0".into(),
            binary: "5e0c2b7a9d13f4e8".into(),
            targets: None,
            kernel: "Linux 6.8.0-45-generic x86_64".into(),
            processors: 2,
            file_system: FileSystem { kind: "ext4".into(), options: "rw,relatime".into() },
        },
    }
}

pub(crate) fn direct() -> RunRecord {
    run("direct", "open(O_TRUNC), write, close", &[Verdict::Torn, Verdict::Empty])
}

pub(crate) fn atomic() -> RunRecord {
    run("atomic", "create temporary file, write, close, rename over the state", &[])
}

/// An intact trial, killed in a save.
pub(crate) fn intact(trial: u64) -> TrialRecord {
    TrialRecord {
        trial,
        fault: Fault::Kill,
        start: Start::Again,
        seed: Seed(trial * 7 + 1),
        series: trial / 100,
        stream: Seed(99),
        aim: Aim::Save(2.37),
        delay_ns: 1_250_000,
        calibrated_ns: 527_000,
        base: Generation(trial * 3),
        promise: Promise {
            acked: Generation(trial * 3 + 2),
            begun: Generation(trial * 3 + 3),
            installed: true,
            gaps: Gaps::NONE,
        },
        acks: trial % 6,
        saving_ns: 0,
        writers: vec![],
        ack_latencies_ns: vec![12_000 + trial * 100; (trial % 6) as usize],
        termination: Termination::Kill,
        phase: "save:after-write".into(),
        in_save: true,
        gap: Some("after the last write".into()),
        damaged_in: None,
        raw: Some(RawFile {
            state: RawState::Whole,
            length: Some(WHOLE),
            tear_offset: None,
            whole_length: Some(WHOLE),
        }),
        crash_state: Some(Digest(trial)),
        observed: Some(Observed::State {
            generation: Some(Generation(trial * 3 + 3)),
            digest: Digest(trial),
            missing: vec![],
            mixed: vec![],
        }),
        outcome: Outcome::Judged(Verdict::Intact),
        left_over: (trial % 20 == 19).then_some(1),
        lost: None,
        consequences: Consequences::default(),
        detail: None,
    }
}

/// A clean stop.
pub(crate) fn control(trial: u64) -> TrialRecord {
    let base = intact(trial);
    TrialRecord {
        fault: Fault::None,
        termination: Termination::Exit { status: 0 },
        phase: "close-down".into(),
        in_save: false,
        gap: None,
        ..base
    }
}

/// A trial whose file was found partial, killed at a write.
pub(crate) fn torn(trial: u64) -> TrialRecord {
    let mut record = intact(trial);
    record.phase = "save:in-write".into();
    record.gap = None;
    record.raw = Some(RawFile {
        state: RawState::Partial,
        length: Some(24_576),
        tear_offset: Some(24_576),
        whole_length: Some(WHOLE),
    });
    record.observed =
        Some(Observed::Refused { why: "unexpected end of file at line 1 column 24576".into(), damage: None });
    record.outcome = Outcome::Judged(Verdict::Torn);
    record.consequences.count("drift", 1300);
    record.detail = Some(FailureDetail {
        why: "recovery refused a partial file".into(),
        acked_digest: Some(Digest(3)),
        begun_digest: Some(Digest(4)),
        calls: vec![
            CallMark {
                activity: Activity::Save,
                call: Call::Create,
                on: "state.json".into(),
                offset: 0,
                length: 0,
                returned: true,
            },
            CallMark {
                activity: Activity::Save,
                call: Call::Write,
                on: "state.json".into(),
                offset: 0,
                length: WHOLE,
                returned: false,
            },
        ],
        around: vec![],
        failed_call: None,
        carried_from: vec![],
    });
    record
}

/// A trial whose file was found empty, killed between truncation and write.
pub(crate) fn empty(trial: u64) -> TrialRecord {
    let mut record = torn(trial);
    record.phase = "save:after-create".into();
    record.gap = Some("create → write 1".into());
    record.raw =
        Some(RawFile { state: RawState::Empty, length: Some(0), tear_offset: Some(0), whole_length: Some(WHOLE) });
    record.observed = Some(Observed::Refused { why: "the file is empty".into(), damage: None });
    record.outcome = Outcome::Judged(Verdict::Empty);
    record.consequences.count("alerts", 2);
    record
}

/// A silent reset that no ground truth allows.
pub(crate) fn reset(trial: u64) -> TrialRecord {
    let mut record = empty(trial);
    record.observed = Some(Observed::Fresh);
    record.outcome = Outcome::Judged(Verdict::SilentReset);
    record
}

/// A trial whose recovery was killed.
pub(crate) fn recovery_killed(trial: u64) -> TrialRecord {
    let mut record = intact(trial);
    record.aim = Aim::Recovery(0.4);
    record.phase = "recovery:in-read".into();
    record.in_save = false;
    record.gap = None;
    record.acks = 0;
    record.observed = None;
    record.outcome = Outcome::RecoveryKilled;
    record
}

/// The first start: killed in `init`.
pub(crate) fn first_start(trial: u64) -> TrialRecord {
    let mut record = intact(trial);
    record.start = Start::First;
    record.aim = Aim::Init(0.5);
    record.phase = "init:in-write".into();
    record.in_save = false;
    record.gap = None;
    record.acks = 0;
    record.promise = Promise::default();
    record
}

/// The trials of the broken run: 1,000 kills, of which 300 tear, 100 empty and 2 reset; 20 clean stops; 50 first starts.
pub(crate) fn direct_trials() -> Vec<TrialRecord> {
    let kills = (0..1000).map(|n| match n % 20 {
        0..6 => torn(n),
        6 | 7 => empty(n),
        8 if n < 40 => reset(n),
        9 => recovery_killed(n),
        _ => intact(n),
    });
    let first = (0..50).map(|n| {
        let mut record = first_start(n);
        if n == 7 {
            record = TrialRecord { start: Start::First, phase: "init:after-create".into(), ..empty(n) };
            record.in_save = false;
            record.promise =
                Promise { acked: Generation::ZERO, begun: Generation::ZERO, installed: false, gaps: Gaps::NONE };
        }
        record
    });
    (0..20).map(control).chain(kills).chain(first).collect()
}

/// The trials of the clean run: 10,000 kills.
pub(crate) fn atomic_trials() -> Vec<TrialRecord> {
    let phases = ["save:in-write", "save:in-rename", "save:after-create", "save:in-create", "save:after-write"];
    let kills = (0..10_000).map(|n| {
        let mut record = intact(n);
        record.phase = phases[(n as usize * n as usize) % 5].into();
        record
    });
    (0..200).map(control).chain(kills).chain((0..500).map(first_start)).collect()
}

/// A crash point that recovery came back from whole, derived from the recording.
pub(crate) fn swept(trial: u64) -> TrialRecord {
    let point = CrashPoint {
        call: CallIndex(trial as u32 / 2),
        at: if trial.is_multiple_of(2) { At::Before } else { At::After },
    };
    TrialRecord {
        fault: Fault::Sweep,
        aim: Aim::Call(point),
        termination: Termination::Derived,
        left_over: None,
        ..intact(trial)
    }
}

/// The calls around call 4 of a save of `direct`, with what became of it.
fn around(note: &str) -> Vec<String> {
    let lines = ["  2  open      fills.json", "  3  truncate  fills.json"];
    let marked = ["▶ 4  write     fills.json  61433 bytes at 0".to_owned(), format!("     ← {note}")];
    let after = ["  5  close     fills.json", "  6  truncate  fills.json"];
    lines.into_iter().map(str::to_owned).chain(marked).chain(after.map(str::to_owned)).collect()
}

/// A crash point inside a write that leaves a torn file, reached by a real kill.
pub(crate) fn swept_torn(trial: u64) -> TrialRecord {
    let point = CrashPoint { call: CallIndex(3), at: At::Inside(24_576) };
    let mut record = TrialRecord { fault: Fault::Sweep, aim: Aim::Call(point), left_over: None, ..torn(trial) };
    record.detail.as_mut().unwrap().around = around("killed after 24576 bytes of it");
    record
}

/// Killed again in the recovery from a kill.
pub(crate) fn swept_twice(trial: u64) -> TrialRecord {
    let mut record = swept_torn(trial);
    let point = |call, at| CrashPoint { call: CallIndex(call), at };
    record.aim = Aim::Twice { first: point(8, At::Before), then: point(1, At::After) };
    record.phase = "recovery:after-unlink".into();
    record.in_save = false;
    record
}

/// A write that falls short and that nobody looks at.
pub(crate) fn short_write(trial: u64) -> TrialRecord {
    let injection =
        Injection { call: CallIndex(3), failure: CallFailure::Short(4096), lasting: Lasting::Once, reading: false };
    let mut record = TrialRecord { fault: Fault::Io, aim: Aim::Failing(injection), left_over: None, ..torn(trial) };
    record.outcome = Outcome::Judged(Verdict::FalseAck);
    record.detail.as_mut().unwrap().around = around("writes 4096 bytes only");
    record
}

/// A failing call after which the old state is there.
pub(crate) fn withstood(trial: u64) -> TrialRecord {
    let failure = CallFailure::Errno(28);
    let injection = Injection { call: CallIndex(trial as u32), failure, lasting: Lasting::FromThenOn, reading: false };
    TrialRecord { fault: Fault::Io, aim: Aim::Failing(injection), left_over: None, ..intact(trial) }
}

/// What is known of the sweep of these trials.
pub(crate) fn recording(left_out: u64) -> Coverage {
    Coverage { calls: 106, left_out, nested: 31, ..Coverage::default() }
}

/// The trials of a broken run under every fault: 4 of 212 crash points tear, 1 of them after a second kill; 1 of 96 failing calls.
pub(crate) fn broken_everywhere() -> Vec<TrialRecord> {
    let sweep = (0..212).map(|n| match n {
        7..10 => swept_torn(n),
        211 => swept_twice(n),
        n => TrialRecord { termination: Termination::Kill, ..swept(n) },
    });
    let io = (0..96).map(|n| if n == 3 { short_write(n) } else { withstood(n) });
    direct_trials().into_iter().chain(sweep).chain(io).collect()
}

/// What is known of their sweep.
pub(crate) fn note_of_broken_everywhere() -> Note {
    swept_note(Coverage {
        differs: true,
        differences: vec!["12 and 13 calls".into()],
        by_real_kills: true,
        missed: vec!["`index.db` holds 12 bytes, and its calls come to 10".into()],
        unmodelled: vec!["ioctl".into(), "fallocate".into()],
        mapped: vec!["index.db".into()],
        outside: vec!["/var/log/bot.log".into()],
        ..recording(0)
    })
}

/// What is known of a sweep, as its note.
pub(crate) fn swept_note(coverage: Coverage) -> Note {
    Note { fault: Fault::Sweep, start: Start::Again, about: About::Coverage(Box::new(coverage)) }
}

/// The trials of a clean run that is swept in part and made to fail, and never killed at random.
pub(crate) fn clean_in_part() -> Vec<TrialRecord> {
    let sweep = (0..412).map(|n| match n {
        0 => TrialRecord { termination: Termination::Kill, ..swept(0) },
        n => swept(n),
    });
    (0..20).map(control).chain(sweep).chain((0..96).map(withstood)).collect()
}

pub(crate) fn rows(trials: &[TrialRecord]) -> Rows {
    let mut rows = Rows::default();
    for record in trials {
        rows.add(record);
    }
    rows
}
