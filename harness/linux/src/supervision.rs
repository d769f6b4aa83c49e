//! Who dies with whom, and making sure that nobody is left.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getppid};

use crate::clock;
use crate::process::{self, Change, Exit, look};

/// Pause between two looks at a child that is waited for, in ns.
const WAIT_LOOK_NS: u64 = 300_000;

/// Sets the usual file mode creation mask, 022, for this process and its children. What a save makes of a file's mode must not
/// depend on who runs the test.
pub fn usual_umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

/// Makes the kernel kill this process when its parent dies (prctl(2), PR_SET_PDEATHSIG), and ends it now if `parent` is already gone.
///
/// The kernel ties this to the parent's *thread*: a child must be made by a thread that lives as long as the process.
///
/// # Errors
/// What prctl(2) says.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw().unsigned_abs() != parent {
        // Nobody is left to report to, and the signal will not come any more.
        nix::sys::signal::raise(Signal::SIGKILL)?;
    }
    Ok(())
}

/// The children that this process had before it adopted anybody: a shell that executes a program leaves it those that it has started.
static NONE_OF_OURS: OnceLock<Vec<i32>> = OnceLock::new();

/// Makes orphaned descendants children of this process, so that it can wait for them (prctl(2), PR_SET_CHILD_SUBREAPER). To be called
/// before it starts one that may leave others: what it has by then is never taken for a stray.
///
/// # Errors
/// What prctl(2) says.
pub fn adopt_orphans() -> io::Result<()> {
    NONE_OF_OURS.get_or_init(children);
    Ok(prctl::set_child_subreaper(true)?)
}

/// Makes the kernel kill what `command` starts when the thread that starts it ends.
pub fn dies_with_us(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only prctl(2), getppid(2) and kill(2) are called, which are async-signal-safe.
    unsafe { command.pre_exec(move || die_with_parent(parent)) };
}

/// Kills every child of this process but those `of_ours`, until there is none: what a program has left running that left its process
/// group. The caller must have called [`adopt_orphans`], and waits for nobody else meanwhile.
pub fn kill_strays(of_ours: &[i32]) {
    let deadline = clock::now_ns() + 5_000_000_000;
    while clock::now_ns() < deadline {
        let strays = strays(of_ours);
        if strays.is_empty() {
            return;
        }
        for pid in strays {
            // Both fail only where it is gone already.
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// Returns whether a child of this process runs that is none `of_ours`: something that a program has left running. What holds for
/// [`kill_strays`] holds for this.
#[must_use]
pub fn strays_run(of_ours: &[i32]) -> bool {
    strays(of_ours).into_iter().any(|pid| waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive))
}

/// The children of this process that are none `of_ours`, and that it did not have from the start.
fn strays(of_ours: &[i32]) -> Vec<Pid> {
    let others = NONE_OF_OURS.get().map_or(&[][..], Vec::as_slice);
    children().into_iter().filter(|pid| !of_ours.contains(pid) && !others.contains(pid)).map(Pid::from_raw).collect()
}

/// All processes below this one, whoever has started them; looked for when the first of them is asked for.
pub fn descendants() -> impl Iterator<Item = i32> {
    std::iter::once_with(|| {
        let mut all = children_of(std::process::id().cast_signed());
        let mut next = 0;
        while let Some(pid) = all.get(next) {
            let theirs = children_of(*pid);
            all.extend(theirs);
            next += 1;
        }
        all
    })
    .flatten()
}

/// The children of all threads of `pid`.
fn children_of(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// The children of this process, of its first thread.
pub(crate) fn children() -> Vec<i32> {
    let me = std::process::id();
    let list = std::fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A child process that leads a process group of its own; the whole group is killed and waited for when this is dropped.
#[derive(Debug)]
pub struct Group {
    leader: Pid,
    exit: Option<Exit>,
    /// The leader, as a descriptor.
    pidfd: Option<OwnedFd>,
    /// Nobody of it is left.
    is_gone: bool,
}

impl Group {
    /// Takes over a child that was spawned with `process_group(0)`. The caller must have called [`adopt_orphans`], so that the
    /// group's other members can be waited for.
    #[must_use]
    pub fn lead_by(child: &Child) -> Group {
        let leader = Pid::from_raw(child.id().cast_signed());
        Group { leader, exit: None, pidfd: process::pidfd(leader.as_raw()).ok(), is_gone: false }
    }

    /// A descriptor that is readable once the leader has ended (pidfd_open(2), Linux 5.3); `None` where there is none.
    #[must_use]
    pub fn ends(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(|pidfd| pidfd.as_fd())
    }

    /// Its number, and that of its leader.
    #[must_use]
    pub fn leader(&self) -> i32 {
        self.leader.as_raw()
    }

    /// Returns how the leader ended, once it has: waits at most `limit` for it.
    ///
    /// # Errors
    /// What waitpid(2) says.
    pub fn exit_within(&mut self, limit: Duration) -> io::Result<Option<Exit>> {
        let deadline = clock::now_ns() + u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX / 2);
        loop {
            if self.exit.is_some() {
                return Ok(self.exit);
            }
            match look(self.leader.as_raw(), 0)? {
                Some((_, Change::Ended(exit))) => self.exit = Some(exit),
                _ if clock::now_ns() >= deadline => return Ok(None),
                _ => clock::sleep_until(clock::now_ns() + WAIT_LOOK_NS),
            }
        }
    }

    /// Returns whether its leader is stopped: by a signal, from whoever sent it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        self.exit.is_none() && matches!(waitid(Id::Pid(self.leader), flags), Ok(WaitStatus::Stopped(..)))
    }

    /// Asks the leader, which kills all that it has started before it ends, to do so (SIGTERM), and waits at most `limit` for that.
    /// Then kills what is left of the group.
    pub fn end(&mut self, limit: Duration) {
        if self.exit.is_none() && !self.is_stopped() {
            self.ask_to_end();
            // It fails only where it is gone already.
            let _ = self.exit_within(limit);
        }
        self.kill();
    }

    /// The same, without waiting for it.
    pub fn ask_to_end(&self) {
        if self.exit.is_none() {
            // It fails only where the leader is gone already.
            let _ = nix::sys::signal::kill(self.leader, Signal::SIGTERM);
        }
    }

    /// Asks every process of the group to end (SIGTERM), as a service manager does.
    pub fn ask_all_to_end(&self) {
        if !self.is_gone {
            // It fails only where nobody is left.
            let _ = killpg(self.leader, Signal::SIGTERM);
        }
    }

    /// Kills every process of the group and waits until the last one is gone (at most five seconds).
    pub fn kill(&mut self) {
        if self.is_gone {
            // Its number may be another group's by now.
            return;
        }
        let deadline = clock::now_ns() + 5_000_000_000;
        loop {
            // ESRCH: nobody is left. The kill is repeated because a member may fork while it is under way.
            let gone = killpg(self.leader, Signal::SIGKILL) == Err(Errno::ESRCH);
            while let Ok(Some((pid, change))) = look(-self.leader.as_raw(), 0) {
                if let (true, Change::Ended(exit)) = (pid == self.leader.as_raw(), change) {
                    self.exit = Some(exit);
                }
            }
            self.is_gone = gone;
            if gone || clock::now_ns() >= deadline {
                return;
            }
            clock::sleep_until(clock::now_ns() + 200_000);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use nix::sys::signal::kill;

    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "the group waits for it")]
    fn dropping_a_group_kills_its_leader_and_the_leaders_children() {
        adopt_orphans().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap());
        assert_eq!(kill(grandchild, None), Ok(()), "it runs before the drop");
        drop(Group::lead_by(&child));
        assert_eq!(kill(grandchild, None), Err(Errno::ESRCH));
    }
}
