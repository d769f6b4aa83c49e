//! A machine that forbids tracing, as containers do, and programs that cannot be traced: what needs it ends with exit status 5 and says
//! what to do; `kill` works.
//!
//! A seccomp(2) filter is a thread's own and goes on to the processes that it starts: each test starts the program from a thread
//! that has put one on itself.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::{SeccompAction, SeccompFilter};
use support::skip::skip;
use support::{Place, Ran};

/// Runs `f` in a thread for which system call `number` fails with EPERM, and for every process that it starts.
fn without<T: Send>(number: libc::c_long, f: impl FnOnce() -> T + Send) -> T {
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new([(number, Vec::new())].into(), SeccompAction::Allow, denied, arch).unwrap();
    let filter: seccompiler::BpfProgram = filter.try_into().unwrap();
    thread::scope(|scope| {
        let forbidden = scope.spawn(move || {
            seccompiler::apply_filter(&filter).unwrap();
            f()
        });
        forbidden.join().unwrap()
    })
}

const SMALL: &str = "run --strategy atomic --seed 1 --quiet --state-size 4KiB --jobs 1";

/// It ends with exit status 5, names what is forbidden, and says what works here.
fn assert_lacking(ran: &Ran, what: &str, arguments: &str) {
    assert_eq!(ran.exit, Some(5), "{arguments}: {}{}", ran.out, ran.err);
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("{what} is not permitted here")), "{arguments}: {said}");
    assert!(said.contains("hint: ") && said.contains("--fault kill needs neither"), "{arguments}: {said}");
    assert!(!said.contains("bug"), "{arguments}: {said}");
}

#[test]
fn where_tracing_is_forbidden_what_needs_it_says_so_with_a_way_out() {
    let sweep = format!("{SMALL} --fault sweep");
    let io = format!("{SMALL} --fault io");
    let several = format!("{SMALL} --fault kill,sweep --iterations 20");
    let compare = "compare atomic --fault sweep --quiet --jobs 1";
    for (number, what, all) in [
        (libc::SYS_ptrace, "ptrace", &[&sweep, &io, &several, compare, "trace -- true"][..]),
        (libc::SYS_seccomp, "seccomp", &[&sweep, "trace -- true"]),
    ] {
        for arguments in all {
            let place = Place::new();
            let ran = without(number, || place.crashtest(arguments));
            assert_lacking(&ran, what, arguments);
            if arguments.starts_with("run") {
                let report = place.crashtest("report");
                assert_eq!(report.exit, Some(0), "the folder can be read: {}", report.err);
                assert!(report.out.contains("INCOMPLETE"), "{}", report.out);
            }
        }
    }
}

#[test]
fn where_directories_cannot_be_opened_without_following_links_nothing_is_started() {
    for arguments in [SMALL, "audit -- true", "doctor"] {
        let place = Place::new();
        let ran = without(libc::SYS_openat2, || place.crashtest(arguments));
        assert_eq!(ran.exit, Some(5), "{arguments}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("openat2") && ran.err.contains("hint: use a newer kernel"), "{}", ran.err);
        assert!(place.names(".").is_empty(), "{arguments}");
    }
}

#[test]
fn where_tracing_is_forbidden_kills_are_as_everywhere() {
    for (number, strategy, exit) in [(libc::SYS_ptrace, "atomic", 0), (libc::SYS_seccomp, "direct", 1)] {
        let run = format!("run --strategy {strategy} --fault kill --iterations 200 --seed 1 --quiet");
        let ran = without(number, || Place::new().crashtest(&run));
        assert_eq!(ran.exit, Some(exit), "{}{}", ran.out, ran.err);
        assert!(ran.err.is_empty(), "{}", ran.err);
    }
}

#[test]
fn doctor_has_tried_what_it_says_of_tracing() {
    for (number, what) in [(libc::SYS_ptrace, "ptrace"), (libc::SYS_seccomp, "seccomp")] {
        let place = Place::new();
        let mut doctor = without(number, || place.command("doctor --dir .").stdout(Stdio::piped()).spawn().unwrap());
        let lines = BufReader::new(doctor.stdout.take().unwrap()).lines().map(Result::unwrap);
        // The self-test takes long, and is the same.
        let report: Vec<String> = lines.take_while(|line| !line.starts_with("Self-test")).collect();
        kill(Pid::from_raw(doctor.id().cast_signed()), Signal::SIGINT).unwrap();
        doctor.wait().unwrap();
        let no = format!("  ptrace                   no: {what} is not permitted here");
        assert!(report.contains(&no), "{report:?}");
        assert!(report.contains(&"  faults sweep, io         end with exit status 5 here".to_owned()), "{report:?}");
    }
}

/// Security profiles that allow ptrace(2) may forbid the faster way to read a traced program's memory.
#[test]
fn where_process_vm_readv_is_forbidden_a_trace_is_the_same() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("state")).unwrap();
    let trace = || {
        let mut command = place.command("trace --dir state --output-format json --");
        let ran =
            Ran::from(command.args(["sh", "-c", "echo 1 > {dir}/new && mv {dir}/new {dir}/file"]).output().unwrap());
        assert_eq!(ran.exit, Some(0), "{}", ran.err);
        std::fs::remove_file(place.path().join("state/file")).unwrap();
        ran.out
    };
    let wanted = trace();
    assert!(wanted.contains("rename") && wanted.contains("1\\n"), "{wanted}");
    assert_eq!(without(libc::SYS_process_vm_readv, trace), wanted);
}

/// Makes the file `f` by system calls of 32 bits.
#[cfg(target_arch = "x86_64")]
const OF_32_BITS: &str = r#"
    static long call(long number, long a, long b, long c) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
        return result;
    }
    static char name[] = "f", text[] = "hello";
    void _start(void) {
        long file = call(5, (long)name, 0x241, 0644);
        long written = call(4, file, (long)text, 5);
        call(1, written != 5, 0, 0);
    }
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_of_32_bits_is_not_traced_and_never_passes() {
    let place = Place::new();
    std::fs::write(place.path().join("p.c"), OF_32_BITS).unwrap();
    let built = Command::new("cc")
        .args(["-static", "-nostdlib", "-no-pie", "-o", "p", "p.c"])
        .current_dir(place.path())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler is there");
    let program = place.path().join("p");
    let aside = tempfile::tempdir().unwrap();
    if !Command::new(&program).current_dir(aside.path()).status().unwrap().success() {
        return skip("a kernel that takes calls of 32 bits");
    }
    let program = program.to_str().unwrap();
    for arguments in ["run --fault sweep --cwd", "run --fault io --cwd", "audit", "trace"] {
        // In an empty directory, and what starts it is of 64 bits.
        for words in [vec![program], vec!["sh", "-c", "$0; exit 0", program]] {
            let place = Place::new();
            let ran = Ran::from(place.command(arguments).arg("--").args(&words).output().unwrap());
            assert_eq!(ran.exit, Some(5), "{arguments} {words:?}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains("is a program of 32 bits"), "{arguments} {words:?}: {}", ran.err);
        }
    }
}
