//! The registers of a stopped task that hold a system call: its number, its arguments, its result.
//!
//! [`Stopped`](super::stopped::Stopped) alone asks for them, so that the task is stopped.
//! Read in the same way on every architecture (PTRACE_GET_SYSCALL_INFO, Linux 5.3); written in the architecture's own.

use nix::errno::Errno;

/// Where a task is in its program: the instruction behind its system call, and its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    instruction: u64,
    stack: u64,
}

/// A system call before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyscallEntry {
    pub(super) number: u64,
    pub(super) args: [u64; 6],
    pub(super) place: Place,
}

/// A system call that has returned.
pub(super) struct SyscallReturn {
    /// A result, or an error number.
    pub(super) result: Result<u64, i32>,
    pub(super) place: Place,
}

/// ERESTARTSYS, ERESTARTNOINTR and ERESTARTNOHAND (include/linux/errno.h), which a program never sees. A signal came before the
/// call had done anything; the kernel makes it again or turns the number into EINTR. The fourth of them is for calls that wait for
/// a time, none of which is trapped.
const RESTARTS: std::ops::RangeInclusive<i32> = 512..=514;

impl SyscallReturn {
    /// Of a task that is stopped at a system call; `None` if it is stopped before it.
    pub(super) fn read(pid: i32) -> Result<Option<SyscallReturn>, Errno> {
        let info = info(pid)?;
        let place = Place { instruction: info.instruction_pointer, stack: info.stack_pointer };
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => Ok(None),
            libc::PTRACE_SYSCALL_INFO_EXIT => {
                // SAFETY: the kernel says that this is the member that it has filled.
                let exit = unsafe { info.u.exit };
                let result = if exit.is_error == 0 {
                    Ok(exit.sval.cast_unsigned())
                } else {
                    Err(i32::try_from(-exit.sval).unwrap_or(libc::EIO))
                };
                Ok(Some(SyscallReturn { result, place }))
            }
            _ => Err(Errno::EIO),
        }
    }

    /// Returns whether a signal has interrupted the call before it did anything.
    pub(super) fn is_interrupted(&self) -> bool {
        self.result.is_err_and(|errno| RESTARTS.contains(&errno))
    }
}

impl SyscallEntry {
    /// Of a task that the filter has stopped.
    pub(super) fn read(pid: i32) -> Result<SyscallEntry, Errno> {
        let info = info(pid)?;
        if info.op != libc::PTRACE_SYSCALL_INFO_SECCOMP {
            return Err(Errno::EIO);
        }
        // SAFETY: the kernel says that this is the member that it has filled.
        let seccomp = unsafe { info.u.seccomp };
        let place = Place { instruction: info.instruction_pointer, stack: info.stack_pointer };
        Ok(SyscallEntry { number: seccomp.nr, args: seccomp.args, place })
    }
}

/// Gives the call that is about to run these arguments.
pub(super) fn set_arguments(pid: i32, args: [u64; 6]) -> Result<(), Errno> {
    arch::set_arguments(pid, args)
}

/// Makes the call that is about to run not run, and return `errno`.
pub(super) fn skip(pid: i32, errno: i32) -> Result<(), Errno> {
    arch::skip(pid, errno)
}

/// Gives an argument of the call that has just returned the value back that it was called with.
pub(super) fn restore_argument(pid: i32, argument: usize, value: u64) -> Result<(), Errno> {
    arch::set_argument_after(pid, argument, value)
}

/// Makes the call that has just returned return `errno`.
pub(super) fn return_error(pid: i32, errno: i32) -> Result<(), Errno> {
    arch::set_result(pid, -i64::from(errno))
}

/// A task before a system call: what its registers hold there.
#[derive(Clone, Copy)]
pub(super) struct Before(arch::Registers);

impl Before {
    /// Of a task that the filter has stopped.
    pub(super) fn read(pid: i32) -> Result<Before, Errno> {
        arch::read(pid).map(Before)
    }

    /// Makes this call in place of the one that the task is before, with these arguments.
    pub(super) fn call_instead(&self, pid: i32, number: u64, args: [u64; 6]) -> Result<(), Errno> {
        arch::call_instead(pid, &self.0, number, args)
    }

    /// Puts a task that is stopped anywhere before the call again: it makes it when it is resumed.
    pub(super) fn again(&self, pid: i32) -> Result<(), Errno> {
        arch::again(pid, &self.0)
    }
}

fn info(pid: i32) -> Result<libc::ptrace_syscall_info, Errno> {
    // SAFETY: all of its fields are numbers.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    // SAFETY: the kernel writes at most `size` bytes to a structure of that size.
    let got = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info) };
    Errno::result(got)?;
    Ok(info)
}

/// rdi, rsi, rdx, r10, r8, r9; the number in orig_rax, the result in rax.
#[cfg(target_arch = "x86_64")]
mod arch {
    use nix::errno::Errno;
    use nix::sys::ptrace;
    use nix::unistd::Pid;

    /// All of them.
    pub(super) type Registers = libc::user_regs_struct;
    /// How long the instruction `syscall` is.
    const SYSCALL: u64 = 2;

    pub(super) fn read(pid: i32) -> Result<Registers, Errno> {
        ptrace::getregs(Pid::from_raw(pid))
    }

    pub(super) fn call_instead(pid: i32, before: &Registers, number: u64, args: [u64; 6]) -> Result<(), Errno> {
        let mut registers = *before;
        registers.orig_rax = number;
        for (n, value) in args.into_iter().enumerate() {
            *argument(&mut registers, n) = value;
        }
        ptrace::setregs(Pid::from_raw(pid), registers)
    }

    pub(super) fn again(pid: i32, before: &Registers) -> Result<(), Errno> {
        // The number of no call: nothing is made again by itself.
        let (rax, rip, orig_rax) = (before.orig_rax, before.rip - SYSCALL, u64::MAX);
        ptrace::setregs(Pid::from_raw(pid), Registers { rax, rip, orig_rax, ..*before })
    }

    fn change(pid: i32, change: impl FnOnce(&mut libc::user_regs_struct)) -> Result<(), Errno> {
        let pid = Pid::from_raw(pid);
        let mut registers = ptrace::getregs(pid)?;
        change(&mut registers);
        ptrace::setregs(pid, registers)
    }

    fn argument(registers: &mut libc::user_regs_struct, n: usize) -> &mut u64 {
        match n {
            0 => &mut registers.rdi,
            1 => &mut registers.rsi,
            2 => &mut registers.rdx,
            3 => &mut registers.r10,
            4 => &mut registers.r8,
            _ => &mut registers.r9,
        }
    }

    pub(super) fn set_arguments(pid: i32, args: [u64; 6]) -> Result<(), Errno> {
        change(pid, |registers| {
            for (n, value) in args.into_iter().enumerate() {
                *argument(registers, n) = value;
            }
        })
    }

    pub(super) fn set_argument_after(pid: i32, n: usize, value: u64) -> Result<(), Errno> {
        change(pid, |registers| *argument(registers, n) = value)
    }

    pub(super) fn skip(pid: i32, errno: i32) -> Result<(), Errno> {
        change(pid, |registers| {
            registers.orig_rax = u64::MAX;
            registers.rax = (-i64::from(errno)).cast_unsigned();
        })
    }

    pub(super) fn set_result(pid: i32, result: i64) -> Result<(), Errno> {
        change(pid, |registers| registers.rax = result.cast_unsigned())
    }
}

/// x0 to x5, the result in x0 as well; the number is a register set of its own (NT_ARM_SYSTEM_CALL).
#[cfg(target_arch = "aarch64")]
mod arch {
    use nix::errno::Errno;

    /// Programs are not copied here.
    pub(super) type Registers = ();

    pub(super) fn read(_pid: i32) -> Result<Registers, Errno> {
        Err(Errno::ENOSYS)
    }

    pub(super) fn call_instead(_pid: i32, _before: &Registers, _number: u64, _args: [u64; 6]) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    pub(super) fn again(_pid: i32, _before: &Registers) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    const NT_PRSTATUS: usize = 1;
    const NT_ARM_SYSTEM_CALL: usize = 0x404;

    fn register_set<T>(request: libc::c_uint, pid: i32, set: usize, value: &mut T) -> Result<(), Errno> {
        let mut vector = libc::iovec { iov_base: std::ptr::from_mut(value).cast(), iov_len: size_of::<T>() };
        // SAFETY: the vector describes a live value of the register set's own size.
        let done = unsafe { libc::ptrace(request, pid, set, &raw mut vector) };
        Errno::result(done).map(|_| ())
    }

    fn change(pid: i32, change: impl FnOnce(&mut [u64; 31])) -> Result<(), Errno> {
        // SAFETY: all of its fields are numbers.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        register_set(libc::PTRACE_GETREGSET, pid, NT_PRSTATUS, &mut registers)?;
        change(&mut registers.regs);
        register_set(libc::PTRACE_SETREGSET, pid, NT_PRSTATUS, &mut registers)
    }

    pub(super) fn set_arguments(pid: i32, args: [u64; 6]) -> Result<(), Errno> {
        change(pid, |registers| registers[..6].copy_from_slice(&args))
    }

    pub(super) fn set_argument_after(pid: i32, n: usize, value: u64) -> Result<(), Errno> {
        // The first argument's register holds the result by now, and no length is the first argument.
        if n == 0 { Ok(()) } else { change(pid, |registers| registers[n] = value) }
    }

    pub(super) fn skip(pid: i32, errno: i32) -> Result<(), Errno> {
        let mut number: libc::c_int = -1;
        register_set(libc::PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &mut number)?;
        set_result(pid, -i64::from(errno))
    }

    pub(super) fn set_result(pid: i32, result: i64) -> Result<(), Errno> {
        change(pid, |registers| registers[0] = result.cast_unsigned())
    }
}
