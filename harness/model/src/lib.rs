//! Plain data: every type that crashtest stores, sends between its processes or shows.
//!
//! No I/O, no process, no clock: this crate is the vocabulary, and every other crate of the workspace speaks it.
//! The words are those of ARCHITECTURE.md ("Words").

mod aim;
mod around;
mod audit;
mod completion;
mod consequences;
mod durations;
mod failed_call;
mod fault;
mod grid;
mod note;
mod phase;
mod plan;
mod program;
mod run;
mod seed;
mod summary;
mod tally;
mod target;
mod trace;
mod trial;
mod units;
mod verdict;

pub use aim::{Aim, CallFailure, Ending, Injection, KillAt, Lasting};
pub use around::marked;
pub use audit::{
    AUDIT_FORMAT, Audit, AuditFailure, AuditJudgement, AuditRecord, AuditedFile, Checked, CheckedExample, Damage,
    Database, DatabaseKind, Example, ExcludedFile, KeptAuditFailure, Recheck, Synced, UnderKill, Way, Written,
};
pub use completion::Completion;
pub use consequences::{ConsequencePhrase, Consequences};
pub use durations::Durations;
pub use failed_call::FailedCall;
pub use fault::{Confirm, Fault, Signal, Start, Tears};
pub use grid::{CellSummary, Conformance, Expectations, FaultConformance, GridRecord, GridSummary, PlannedCell};
pub use note::{About, Coverage, Metadata, Note};
pub use phase::{Activity, Call, CallMark, LAST_WRITE, Moment, Phase};
pub use plan::{Budget, HarnessBug, MOST_SAVES, Plan, SERIES_LENGTH, TargetSpec};
pub use program::{Check, CommandLine, DIR, NamedFile, Program, Sensitivity, Until};
pub use run::{Environment, FORMAT, FileSystem, RunRecord};
pub use seed::{Digest, Seed};
pub use summary::{
    AckLatency, Ages, Claim, Conclusiveness, Consequence, Finding, Interval, LostAcksCount, Quantiles, ResultRow,
    Summary, VerdictCount,
};
pub use tally::{AcksPerLife, Group, Lost, Rows, SeenSet, Tally, vacuity};
pub use target::{Concurrency, Conditions, Documented, Expectation, Loader, Shape, StrategyInfo, WorkloadInfo};
pub use trace::{
    Action, At, Attributes, CallIndex, CrashPoint, Data, Durable, ErrorName, FileId, Node, Operation, Overlap,
    PlainName, Progress, STORE, Trace,
};
pub use trial::{
    FailureDetail, Gaps, INTERLEAVED, LostAcks, Observed, Outcome, PartOf, Promise, RawFile, RawState, Termination,
    TrialRecord,
};
pub use units::{Bytes, Generation};
pub use verdict::Verdict;
