//! A machine that forbids tracing, as containers do: what needs it ends with exit status 5 and says what to do; `kill` works.
//!
//! A seccomp(2) filter is a thread's own and goes on to the processes that it starts: each test starts the program from a thread
//! that has put one on itself.

mod support;

use std::thread;

use nix::libc;
use seccompiler::{SeccompAction, SeccompFilter};
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

const SMALL: &str = "run --strategy atomic --seed 1 --quiet";

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
    for (number, what) in [(libc::SYS_ptrace, "ptrace"), (libc::SYS_seccomp, "seccomp")] {
        for arguments in [
            &format!("{SMALL} --fault sweep"),
            &format!("{SMALL} --fault io"),
            &format!("{SMALL} --fault kill,sweep --iterations 20"),
            "compare atomic direct --fault sweep --quiet --jobs 1",
            "trace -- true",
        ] {
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
fn where_tracing_is_forbidden_kills_are_as_everywhere() {
    for number in [libc::SYS_ptrace, libc::SYS_seccomp] {
        let place = Place::new();
        let ran = without(number, || place.crashtest(&format!("{SMALL} --fault kill --iterations 200")));
        assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
        assert!(ran.err.is_empty(), "{}", ran.err);
        let ran = without(number, || place.crashtest("run --strategy direct --seed 1 --quiet --iterations 200"));
        assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    }
}

#[test]
fn doctor_says_that_tracing_is_forbidden_and_tries_everything_else() {
    let place = Place::new();
    let ran = without(libc::SYS_ptrace, || place.crashtest("doctor --dir ."));
    assert_lacking(&ran, "ptrace", "doctor");
    assert!(ran.out.contains("\n  ptrace                   no: ptrace is not permitted here\n"), "{}", ran.out);
    assert!(ran.out.contains("\n  faults sweep, io         end with exit status 5 here\n"), "{}", ran.out);
    assert!(ran.out.contains("\n14 planted bugs were caught; 4 need tracing and were not tried.\n"), "{}", ran.out);
}

/// Security profiles that allow ptrace(2) may forbid the faster way to read a traced program's memory.
#[test]
fn where_process_vm_readv_is_forbidden_a_trace_is_the_same() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("state")).unwrap();
    let trace = || {
        let mut command = place.command("trace --dir state --output-format json --");
        let ran =
            Ran::of(command.args(["sh", "-c", "echo 1 > {dir}/new && mv {dir}/new {dir}/file"]).output().unwrap());
        assert_eq!(ran.exit, Some(0), "{}", ran.err);
        std::fs::remove_file(place.path().join("state/file")).unwrap();
        ran.out
    };
    let wanted = trace();
    assert!(wanted.contains("rename") && wanted.contains("1\\n"), "{wanted}");
    assert_eq!(without(libc::SYS_process_vm_readv, trace), wanted);
}
