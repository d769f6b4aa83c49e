//! The keys of a scenario file, and of a project's: what each is called, what its value must be, and how it is written.
//!
//! The one list behind the parser, its errors and the test of scenarios/schema.json.

/// A key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value must be.
    pub must_be: &'static str,
    /// A line that is right.
    pub example: &'static str,
}

/// A kind of table: the file itself, or what stands below a header.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What errors call it.
    pub name: &'static str,
    /// Where its keys stand.
    pub place: &'static str,
    /// What it may hold.
    pub keys: &'static [Key],
    /// The kinds of tables that its file may have.
    pub in_its_file: &'static [&'static Kind],
}

impl Kind {
    /// The names of its keys.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

const fn key(name: &'static str, must_be: &'static str, example: &'static str) -> Key {
    Key { name, must_be, example }
}

const NAMES: &str = "a list of names in quotes";
const TIME: &str = "a time in quotes";
const COUNT: &str = "a whole number";
const COMMAND: &str = "a command in quotes";

pub(crate) const WHY: Key = key("why", "a sentence in quotes", "why = \"every pattern, every night\"");
pub(crate) const LIMITS: Key =
    key("limits", "a list of sentences in quotes", "limits = [\"SIGKILL says nothing about power loss\"]");
pub(crate) const SEED: Key = key("seed", "a whole number, or hexadecimal digits in quotes", "seed = 1");
pub(crate) const CAMPAIGN: Key =
    key("campaign", "a header in double brackets", "[[campaign]]\nstrategies = [\"direct\", \"atomic\"]");
pub(crate) const EXPECT: Key =
    key("expect", "a header in double brackets", "[[expect]]\nstrategy = \"direct\"\nmust = [\"torn\"]");

pub(crate) const STRATEGIES: Key = key("strategies", NAMES, "strategies = [\"direct\", \"atomic\"]");
pub(crate) const GROUP: Key = key("group", "a name in quotes", "group = \"documents\"");
pub(crate) const WORKLOADS: Key =
    key("workloads", "a list of names in quotes, or \"all\"", "workloads = [\"fills\", \"signals\"]");
pub(crate) const LOADERS: Key = key("loaders", NAMES, "loaders = [\"strict\", \"lenient\"]");
pub(crate) const FAULTS: Key = key("faults", NAMES, "faults = [\"kill\"]");
pub(crate) const STATE_SIZE: Key =
    key("state_size", "a size in quotes, or a number of bytes", "state_size = \"64KiB\"");
pub(crate) const IDLE: Key = key("idle", TIME, "idle = \"10ms\"");
pub(crate) const KILL_AT: Key = key("kill_at", "a name in quotes", "kill_at = \"save\"");
pub(crate) const SIGNAL: Key = key("signal", "a name in quotes", "signal = \"term\"");
pub(crate) const WRITERS: Key = key("writers", COUNT, "writers = 2");
pub(crate) const THREADS: Key = key("threads", "true or false", "threads = true");
pub(crate) const READERS: Key = key("readers", COUNT, "readers = 1");
pub(crate) const TEARS: Key = key("tears", "a name in quotes", "tears = \"posix\"");
pub(crate) const MAX_STATES: Key = key("max_states", COUNT, "max_states = 5000");
pub(crate) const ITERATIONS: Key = key("iterations", COUNT, "iterations = 2000");
pub(crate) const DURATION: Key = key("duration", TIME, "duration = \"5m\"");
pub(crate) const LIMIT: Key = key("limit", TIME, "limit = \"10s\"");
pub(crate) const FRESH: Key = key("fresh", "true or false", "fresh = true");
pub(crate) const MAX_FAILURES: Key = key("max_failures", COUNT, "max_failures = 10");

pub(crate) const STRATEGY: Key = key("strategy", "a name in quotes", "strategy = \"direct\"");
pub(crate) const LOADER: Key = key("loader", "a name in quotes", "loader = \"lenient\"");
pub(crate) const FAULT: Key = key("fault", "a name in quotes", "fault = \"kill\"");
pub(crate) const MUST: Key = key("must", NAMES, "must = [\"torn\", \"empty\"]");
pub(crate) const ONE_OF: Key = key("one_of", NAMES, "one_of = [\"torn\", \"empty\"]");
pub(crate) const MAY: Key = key("may", NAMES, "may = [\"lost-ack\"]");

pub(crate) const PROGRAM: Key =
    key("program", "a header in double brackets", "[[program]]\nname = \"bot\"\nrun = \"python3 bot.py {dir}\"");
pub(crate) const NAME: Key = key("name", "a word in quotes", "name = \"bot\"");
pub(crate) const RUN: Key = key("run", COMMAND, "run = \"python3 bot.py {dir}\"");
pub(crate) const SETUP: Key = key("setup", COMMAND, "setup = \"cp fixtures/state.json {dir}\"");
pub(crate) const CHECK: Key = key("check", COMMAND, "check = \"python3 check.py {dir}\"");
pub(crate) const CHECK_BATCH: Key = key("check_batch", COMMAND, "check_batch = \"node check.mjs\"");
pub(crate) const CWD: Key = key("cwd", "true or false", "cwd = true");
pub(crate) const USES_ENV: Key = key("uses_env", "true or false", "uses_env = true");
pub(crate) const INCLUDE: Key = key("include", "a list of globs in quotes", "include = [\"trades.log\"]");
pub(crate) const EXCLUDE: Key = key("exclude", "a list of globs in quotes", "exclude = [\"cache/**\"]");
pub(crate) const FOR: Key = key("for", TIME, "for = \"5s\"");
pub(crate) const SAVES: Key = key("saves", COUNT, "saves = 20");
pub(crate) const MAX_TIME: Key = key("max_time", TIME, "max_time = \"30s\"");

/// The file itself.
pub(crate) static FILE: Kind = Kind {
    name: "a scenario",
    place: "above the first [[campaign]]",
    keys: &[WHY, LIMITS, SEED, CAMPAIGN, EXPECT],
    in_its_file: &KINDS,
};

/// What stands below `[[campaign]]`.
pub(crate) static IN_CAMPAIGN: Kind = Kind {
    name: "a campaign",
    place: "below [[campaign]]",
    keys: &[
        STRATEGIES,
        GROUP,
        WORKLOADS,
        LOADERS,
        FAULTS,
        STATE_SIZE,
        IDLE,
        WRITERS,
        THREADS,
        READERS,
        KILL_AT,
        SIGNAL,
        TEARS,
        MAX_STATES,
        ITERATIONS,
        DURATION,
        LIMIT,
        FRESH,
        MAX_FAILURES,
    ],
    in_its_file: &KINDS,
};

/// What stands below `[[expect]]`.
pub(crate) static IN_EXPECT: Kind = Kind {
    name: "an expectation",
    place: "below [[expect]]",
    keys: &[STRATEGY, LOADER, FAULT, MUST, ONE_OF, MAY],
    in_its_file: &KINDS,
};

/// Every kind of table in a scenario.
pub(crate) static KINDS: [&Kind; 3] = [&FILE, &IN_CAMPAIGN, &IN_EXPECT];

/// The file of a project.
pub(crate) static PROJECT: Kind =
    Kind { name: "a project", place: "above the first [[program]]", keys: &[PROGRAM], in_its_file: &PROJECT_KINDS };

/// What stands below `[[program]]`.
pub(crate) static IN_PROGRAM: Kind = Kind {
    name: "a program",
    place: "below [[program]]",
    keys: &[
        NAME,
        RUN,
        SETUP,
        CHECK,
        CHECK_BATCH,
        CWD,
        USES_ENV,
        INCLUDE,
        EXCLUDE,
        FAULTS,
        FOR,
        SAVES,
        MAX_STATES,
        MAX_TIME,
        ITERATIONS,
        LIMIT,
    ],
    in_its_file: &PROJECT_KINDS,
};

/// Every kind of table in the file of a project.
static PROJECT_KINDS: [&Kind; 2] = [&PROJECT, &IN_PROGRAM];
