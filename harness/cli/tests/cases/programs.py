"""Small programs for the cases: `main()` is told ROLE KIND DIR, where ROLE is setup, run, check (one directory) or batch (a line each).

A state is the file `ledger`: a line with its number, many lines of the same digit, and a line with the sum of the lengths. Each KIND saves
it in one way; what is sound or broken about it is said beside it. Without KIND, `kinds` lists them.
"""
import os, sys, time


class Late:
    """A module that is loaded when it is used: these programs are started thousands of times."""
    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        __import__(self.name)
        return getattr(sys.modules[self.name], name)


class LibC:
    """The C library, loaded when it is used."""
    def __getattr__(self, name):
        return getattr(ctypes.CDLL(None, use_errno=True), name)


ctypes, fcntl, hashlib, mmap, random = map(Late, ["ctypes", "fcntl", "hashlib", "mmap", "random"])
shutil, socket, sqlite3, struct, threading = map(Late, ["shutil", "socket", "sqlite3", "struct", "threading"])
libc = LibC()
LINES = 700


def text(n):
    body = f"balance {n}\n" + f"{n % 10}" * 11 + "\n" + ("-" * 10 + "\n") * LINES
    return (body + f"end {n} {len(body)}\n").encode()


def number(data):
    lines = data.decode().split("\n")
    n = int(lines[0].split()[1])
    if data != text(n):
        raise ValueError(f"{len(data)} bytes, not what was saved")
    return n


def slurp(path):
    with open(path, "rb") as file:
        return file.read()


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def put(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    fd = os.open(path, flags, mode)
    write_all(fd, data)
    os.close(fd)


def sync_dir(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def replace(path, data, temporary=None):
    temporary = temporary or path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    write_all(fd, data)
    os.fsync(fd)
    os.close(fd)
    os.rename(temporary, path)
    sync_dir(os.path.dirname(path))


def say(*words):
    os.write(1, ("crashtest: " + " ".join(map(str, words)) + "\n").encode())


class Kind:
    """How a program keeps its state. What is not said is done well: temporary, fsync, rename, fsync of the directory."""
    saves = 2
    ledger = "ledger"

    def __init__(self, d):
        self.d = d

    def at(self, name):
        return os.path.join(self.d, name)

    def setup(self):
        put(self.at(self.ledger), text(0))

    def start(self):
        return self.load()

    def load(self):
        return number(slurp(self.at(self.ledger)))

    def save(self, n):
        replace(self.at(self.ledger), text(n))

    def good(self, n):
        Kind.save(self, n)

    def run(self):
        n = self.start()
        say("ready")
        for n in range(n + 1, n + 1 + self.saves):
            say("begin", n)
            self.save(n)
            say("ack", n)

    def answer(self):
        try:
            return [("state", self.load())]
        except (OSError, ValueError, IndexError, KeyError, sqlite3.Error) as why:
            return [("refused", type(why).__name__ + " " + str(why).replace("\n", " ")[:80])]


KINDS = {}


def kind(cls):
    KINDS[cls.__name__] = cls
    return cls


# What names lead to. All of these are broken in the last save only.
class Last(Kind):
    def save(self, n):
        self.good(n) if n % self.saves else self.bad(n)


@kind
class through_a_descriptor(Last):
    def bad(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_TRUNC))
        write_all(fd, text(n))
        os.close(fd)


@kind
class in_another_root(Last):
    def bad(self, n):
        os.chroot(self.d)
        put("/ledger", text(n))


@kind
class in_another_mount(Last):
    def bad(self, n):
        elsewhere = os.path.join(os.path.dirname(self.d), "mounted")
        os.makedirs(elsewhere, exist_ok=True)
        namespace, private, bind = 0x20000, 0x44000, 0x1000
        libc.unshare(namespace)
        for source, target, flags in [(b"none", b"/", private), (self.d.encode(), elsewhere.encode(), bind)]:
            if libc.mount(source, target, None, flags, None):
                raise OSError(ctypes.get_errno(), "mount")
        put(elsewhere + "/ledger", text(n))


@kind
class by_a_link_from_outside(Last):
    def bad(self, n):
        link = os.path.join(os.path.dirname(self.d), "elsewhere")
        if not os.path.islink(link):
            os.symlink(self.at("ledger"), link)
        os.truncate(link, 10)
        put(self.at("ledger"), text(n), os.O_WRONLY)


@kind
class by_a_second_name_outside(Last):
    def bad(self, n):
        other = os.path.join(os.path.dirname(self.d), "twin")
        if os.path.lexists(other):
            os.unlink(other)
        os.link(self.at("ledger"), other)
        put(other, text(n))
        os.unlink(other)


@kind
class resolved_in_a_root(Last):
    def bad(self, n):
        directory = os.open(self.d, os.O_RDONLY)
        how = struct.pack("QQQ", os.O_WRONLY | os.O_TRUNC, 0, 0x10)
        fd = libc.syscall(437, directory, b"/ledger", how, len(how))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "openat2")
        write_all(fd, text(n))
        os.close(fd)


@kind
class from_within(Last):
    def bad(self, n):
        os.chdir(self.d)
        put("./../" + os.path.basename(self.d) + "/ledger", text(n))


@kind
class punched(Last):
    def bad(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4096))
        write_all(fd, text(n))
        os.close(fd)


@kind
class zeroed_by_ioctl(Last):
    def bad(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        fcntl.ioctl(fd, 0x40305839, struct.pack("hhqqiI4i", 0, 0, 0, 4096, 0, 0, 0, 0, 0, 0))
        os.close(fd)
        self.good(n)


@kind
class collapsed(Kind):
    """Takes a block out of the middle of a file, which crashtest has no model of."""
    def save(self, n):
        put(self.at("blocks"), b"x" * (4 * 4096))
        fd = os.open(self.at("blocks"), os.O_RDWR)
        if libc.fallocate(fd, 8, ctypes.c_long(4096), ctypes.c_long(4096)):
            raise OSError(ctypes.get_errno(), "fallocate")
        os.close(fd)
        self.good(n)


@kind
class fails_to_collapse(Kind):
    """Sound: a call that fails does nothing."""
    def save(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        libc.fallocate(fd, 8, ctypes.c_long(1), ctypes.c_long(1))
        os.close(fd)
        self.good(n)


@kind
class asks_a_listener(Kind):
    """Has calls answered by a process of its own, which crashtest cannot see."""
    def run(self):
        allow = struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
        code = ctypes.create_string_buffer(allow, len(allow))
        program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
        libc.prctl(38, 1, 0, 0, 0)
        number = 277 if os.uname().machine == "aarch64" else 317
        if libc.syscall(number, 1, 8, program) < 0:
            raise OSError(ctypes.get_errno(), "seccomp")
        super().run()


@kind
class maps_outside(Kind):
    """Sound, but for a memo in memory outside of its directory, of which no crash state holds anything."""
    def memo(self):
        return os.path.join(os.path.dirname(self.d), "memo")

    def setup(self):
        super().setup()
        put(self.memo(), b"0" * 4096)

    def save(self, n):
        fd = os.open(self.memo(), os.O_RDWR)
        with mmap.mmap(fd, 4096) as view:
            view[:8] = b"%08d" % n
        os.close(fd)
        self.good(n)


@kind
class stored_in_much_memory(Kind):
    """What is stored in so long a file is not seen: that it is other than its calls come to is said."""
    SIZE = 17 << 20

    def setup(self):
        super().setup()
        os.truncate(self.at("ledger"), self.SIZE)

    def save(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        with mmap.mmap(fd, self.SIZE) as view:
            view[: len(text(n))] = text(n)
        os.close(fd)

    def load(self):
        with open(self.at("ledger"), "rb") as file:
            return number(file.read(len(text(0))))


@kind
class hints_in_memory(Kind):
    """Sound: two hints, far apart in a mapped file that nobody needs, are stored between two calls; the ledger is replaced."""
    def setup(self):
        super().setup()
        put(self.at("hints.lock"), bytes(20000))

    def save(self, n):
        fd = os.open(self.at("hints.lock"), os.O_RDWR)
        with mmap.mmap(fd, 20000) as hints:
            hints[10:13] = hints[9000:9003] = hints[19000:19003] = b"%3d" % n
            replace(self.at("ledger"), text(n))
        os.close(fd)


@kind
class cleared_in_memory(Last):
    def bad(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        view = mmap.mmap(fd, 0)
        view[:] = b" " * len(view)
        view.close()
        write_all(fd, text(n))
        os.close(fd)


@kind
class copied_inside_the_kernel(Last):
    def bad(self, n):
        put(self.at("source"), text(n))
        source, to = os.open(self.at("source"), os.O_RDONLY), os.open(self.at("ledger"), os.O_WRONLY)
        os.sendfile(to, source, 0, len(text(n)))
        os.close(source)
        os.close(to)


@kind
class stored_in_memory(Kind):
    """Broken: its pages are written in two steps."""
    def save(self, n):
        fd = os.open(self.at("ledger"), os.O_RDWR)
        view = mmap.mmap(fd, 0)
        half = len(view) // 2
        view[:half] = text(n)[:half]
        view.flush()
        view[half:] = text(n)[half:]
        view.flush()
        view.close()
        os.close(fd)


# What a restart can read besides the content.
@kind
class newest_first(Kind):
    """Sound: the newest of three is read, each is made by a rename."""
    def setup(self):
        put(self.at("c"), text(0))

    def save(self, n):
        time.sleep(0.006)
        replace(self.at("abc"[n % 3]), text(n), self.at("t.new"))

    def load(self):
        names = [name for name in os.listdir(self.d) if not name.endswith(".new")]
        newest = max(names, key=lambda name: os.stat(self.at(name)).st_mtime_ns)
        return number(slurp(self.at(newest)))


@kind
class newest_in_place(newest_first):
    """Broken: the newest is read, whatever is in it."""
    def setup(self):
        put(self.at("b"), text(0))
        time.sleep(0.006)
        put(self.at("a"), text(0))

    def save(self, n):
        time.sleep(0.006)
        put(self.at("ab"[n % 2]), text(n))


@kind
class sum_before(Kind):
    """Sound: the sum is an attribute of the new file before that has its name."""
    def setup(self):
        self.save(0)

    def save(self, n):
        put(self.at("new"), text(n))
        os.setxattr(self.at("new"), "user.sum", hashlib.md5(text(n)).hexdigest().encode())
        os.rename(self.at("new"), self.at("ledger"))

    def load(self):
        data = slurp(self.at("ledger"))
        if os.getxattr(self.at("ledger"), "user.sum").decode() != hashlib.md5(data).hexdigest():
            raise ValueError("the sum is another one")
        return number(data)


@kind
class sum_after(sum_before):
    """Broken: for a moment the sum is missing."""
    def save(self, n):
        replace(self.at("ledger"), text(n))
        os.setxattr(self.at("ledger"), "user.sum", hashlib.md5(text(n)).hexdigest().encode())


@kind
class for_everybody(Kind):
    """Sound: its mode is 0666, whatever the mask is."""
    def setup(self):
        put(self.at("ledger"), text(0))
        os.chmod(self.at("ledger"), 0o666)

    def save(self, n):
        put(self.at("new"), text(n))
        os.chmod(self.at("new"), 0o666)
        os.rename(self.at("new"), self.at("ledger"))

    def load(self):
        if os.stat(self.at("ledger")).st_mode & 0o777 != 0o666:
            raise ValueError("mode")
        return super().load()


@kind
class as_nobody(Kind):
    """Sound: started by root, it goes on as somebody else, who owns the files."""
    def setup(self):
        put(self.at("ledger"), text(0), mode=0o600)
        for path in (self.at("ledger"), self.d):
            os.chown(path, 65534, 65534)

    def start(self):
        os.setuid(65534)
        return self.load()


@kind
class two_names(Kind):
    """Sound: the backup is a second name of the old file, made before the new one takes its place."""
    def setup(self):
        super().setup()
        os.link(self.at("ledger"), self.at("backup"))

    def save(self, n):
        if os.path.lexists(self.at("b")):
            os.unlink(self.at("b"))
        os.link(self.at("ledger"), self.at("b"))
        os.rename(self.at("b"), self.at("backup"))
        self.good(n)


@kind
class two_names_in_place(two_names):
    """Broken: what is written into one name is in the other as well, so that the backup is none."""
    def save(self, n):
        put(self.at("ledger"), text(n))

    def load(self):
        try:
            return super().load()
        except (OSError, ValueError, IndexError):
            return number(slurp(self.at("backup")))


@kind
class with_a_pipe(Kind):
    """Sound: a named pipe from the set-up is opened at the start."""
    def setup(self):
        super().setup()
        os.mkfifo(self.at("wake"))

    def start(self):
        os.close(os.open(self.at("wake"), os.O_RDWR))
        return self.load()


@kind
class with_a_socket(Kind):
    """Sound: the socket of the run before is removed first."""
    def start(self):
        os.chdir(self.d)
        if os.path.lexists("ask"):
            os.unlink("ask")
        socket.socket(socket.AF_UNIX).bind("ask")
        return self.load()


@kind
class with_a_device(Kind):
    """Sound, but nobody puts a device back."""
    def setup(self):
        super().setup()
        os.mknod(self.at("null"), 0o20666, os.makedev(1, 3))


@kind
class with_holes(Kind):
    """Sound: a long file that is mostly a hole."""
    def setup(self):
        self.save(0)

    def save(self, n):
        fd = os.open(self.at("new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.ftruncate(fd, 8 << 20)
        data = text(n)
        while data:
            data = data[os.pwrite(fd, data, (4 << 20) + len(text(n)) - len(data)):]
        os.fsync(fd)
        os.close(fd)
        os.rename(self.at("new"), self.at("ledger"))
        sync_dir(self.d)

    def load(self):
        with open(self.at("ledger"), "rb") as file:
            file.seek(4 << 20)
            return number(file.read().rstrip(b"\0"))


@kind
class without_a_name(Kind):
    """Sound: O_TMPFILE, linked beside the old file, renamed over it."""
    def save(self, n):
        fd = os.open(self.d, os.O_TMPFILE | os.O_RDWR, 0o644)
        write_all(fd, text(n))
        os.fsync(fd)
        if os.path.lexists(self.at("fresh")):
            os.unlink(self.at("fresh"))
        if libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, self.at("fresh").encode(), 0x400):
            raise OSError(ctypes.get_errno(), "linkat")
        os.rename(self.at("fresh"), self.at("ledger"))
        os.close(fd)
        sync_dir(self.d)


@kind
class exchanged(Kind):
    """Sound: the new file and the old one change places."""
    def save(self, n):
        put(self.at("new"), text(n))
        if libc.renameat2(-100, self.at("new").encode(), -100, self.at("ledger").encode(), 2):
            raise OSError(ctypes.get_errno(), "renameat2")
        os.unlink(self.at("new"))


@kind
class in_a_tebibyte(Kind):
    """Sound: two places of a long file with holes, written in turn."""
    ledger = "disk"

    def place(self, n):
        return n % 2 << 39

    def setup(self):
        with open(self.at("disk"), "wb") as file:
            file.truncate(1 << 40)
        self.save(0)

    def save(self, n):
        fd = os.open(self.at("disk"), os.O_WRONLY)
        os.lseek(fd, self.place(n), os.SEEK_SET)
        write_all(fd, text(n))
        os.fsync(fd)
        os.close(fd)

    def load(self):
        found = []
        with open(self.at("disk"), "rb") as file:
            for n in (0, 1):
                file.seek(self.place(n))
                try:
                    found.append(number(file.read(len(text(n)))))
                except (ValueError, IndexError):
                    pass
        return max(found)


@kind
class in_one_place_of_a_tebibyte(in_a_tebibyte):
    """Broken: one place, which is written over."""
    def place(self, n):
        return 1 << 39


# Two runs of these differ in some bytes.
@kind
class stamped(Kind):
    """Sound: the time, the process and a random number are in it."""
    def save(self, n):
        note = f"{time.time_ns()} {os.getpid()} {random.random()}\n".encode()
        replace(self.at("ledger"), text(n) + note)

    def load(self):
        lines = slurp(self.at("ledger"))
        return number(lines[: len(lines) if lines.endswith(b"\n") and len(lines) == len(text(0)) else lines.rindex(b"end ") + lines[lines.rindex(b"end "):].index(b"\n") + 1])


@kind
class stamped_in_place(stamped):
    """Broken: the same, written over."""
    def save(self, n):
        put(self.at("ledger"), text(n) + f"{time.time_ns()}\n".encode())


@kind
class another_name_each_time(Kind):
    """Sound: the temporary has a random name, those of runs before are removed."""
    def start(self):
        for name in os.listdir(self.d):
            if name.startswith("part-"):
                os.unlink(self.at(name))
        return self.load()

    def save(self, n):
        replace(self.at("ledger"), text(n), self.at(f"part-{random.randrange(10 ** 9)}"))


@kind
class log_with_times(Kind):
    """Broken: a record behind one that was cut is read as a part of it."""
    def setup(self):
        put(self.at("log"), b"0 start\n")

    def start(self):
        return self.load()

    def save(self, n):
        fd = os.open(self.at("log"), os.O_WRONLY | os.O_APPEND)
        write_all(fd, f"{n} {time.time():.6f} ".encode())
        write_all(fd, b"x" * 40 + b"\n")
        os.close(fd)

    def load(self):
        whole = [line.split() for line in slurp(self.at("log")).split(b"\n")[:-1]]
        good = [int(line[0]) for line in whole if len(line) in (2, 3) and line[0].isdigit()]
        return good[-1]


@kind
class log_mended(log_with_times):
    """Sound: a record that was cut is taken away first."""
    def start(self):
        data = slurp(self.at("log"))
        os.truncate(self.at("log"), data.rindex(b"\n") + 1)
        return self.load()


@kind
class threads_in_turn(Kind):
    """Sound: another thread makes each save, and is waited for."""
    def save(self, n):
        thread = threading.Thread(target=self.good, args=(n,))
        thread.start()
        thread.join()


@kind
class thread_beside(Kind):
    """Broken: it is acknowledged before the other thread has made it."""
    def save(self, n):
        self.last = threading.Thread(target=self.good, args=(n,))
        self.last.start()

    def run(self):
        n = self.start()
        say("ready")
        say("begin", n + 1)
        self.save(n + 1)
        say("ack", n + 1)
        self.last.join()


# The start after a kill.
@kind
class lock_file(Kind):
    """Broken: a lock file that is left behind keeps the next start out."""
    def start(self):
        os.close(os.open(self.at("busy"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return self.load()

    def run(self):
        super().run()
        os.unlink(self.at("busy"))


@kind
class starts_without_a_word(Kind):
    """Broken: where the one before has left its mark it ends, and says that all is well."""
    def run(self):
        if os.path.exists(self.at("busy")):
            return
        put(self.at("busy"), b"")
        super().run()
        os.unlink(self.at("busy"))


@kind
class lock_that_dies(Kind):
    """Sound: the lock dies with its holder."""
    def start(self):
        self.lock = os.open(self.at("busy"), os.O_CREAT | os.O_RDWR)
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self.load()


@kind
class counts_from_one(Kind):
    """Its numbers begin at 1 whenever it starts: that is an error of its words."""
    def run(self):
        say("ready")
        for n in range(1, 4):
            say("begin", n)
            self.save(n)
            say("ack", n)


@kind
class counts_anew_after_a_crash(Kind):
    """Its numbers go on after a clean end; after any other they begin at 1."""
    def start(self):
        n = self.load()
        if os.path.exists(self.at("running")):
            return 0
        put(self.at("running"), b"")
        return n

    def run(self):
        super().run()
        os.unlink(self.at("running"))


@kind
class one_save(Kind):
    """Sound: it makes one save a run, the same each time."""
    def setup(self):
        pass

    def run(self):
        say("ready")
        say("begin", 1)
        self.save(1)
        say("ack", 1)
        # So that kills meet what comes after it.
        time.sleep(0.02)

    def answer(self):
        return super().answer() if os.path.exists(self.at("ledger")) else [("fresh",)]


@kind
class starts_over_damage(Kind):
    """Broken: what it cannot read it takes for nothing, and writes over it."""
    def start(self):
        try:
            return self.load()
        except (OSError, ValueError, IndexError):
            return 0

    def save(self, n):
        put(self.at("ledger"), text(n))


@kind
class stops_at_damage(starts_over_damage):
    """Broken: the same, but it does not start on what it cannot read, which is still there for whoever mends it."""
    start = Kind.start


# Whom to believe.
@kind
class with_a_backup(Kind):
    """Sound: the backup is written in place, and read only where the ledger is not whole; so the other way round."""
    def setup(self):
        put(self.at("ledger"), text(0))
        put(self.at("ledger.bak"), text(0))

    def save(self, n):
        if self.load() == self.whole("ledger"):
            put(self.at("ledger.bak"), slurp(self.at("ledger")))
        put(self.at("ledger"), text(n))

    def whole(self, name):
        try:
            return number(slurp(self.at(name)))
        except (OSError, ValueError, IndexError):
            return -1

    def load(self):
        n = max(self.whole("ledger"), self.whole("ledger.bak"))
        if n < 0:
            raise ValueError("neither is whole")
        return n


@kind
class by_content(Kind):
    """Sound: objects are named by their digest, and one name says which is the newest."""
    def setup(self):
        os.mkdir(self.at("objects"))
        self.save(0)

    def save(self, n):
        name = hashlib.sha1(text(n)).hexdigest()
        put(self.at("objects/" + name), text(n))
        replace(self.at("head"), name.encode())

    def load(self):
        return number(slurp(self.at("objects/" + slurp(self.at("head")).decode())))


@kind
class linked_version(Kind):
    """Sound: each version has a directory, and a link is renamed over the one that says which is live."""
    def setup(self):
        os.mkdir(self.at("v0"))
        put(self.at("v0/ledger"), text(0))
        os.symlink("v0", self.at("live"))

    def save(self, n):
        old = os.readlink(self.at("live"))
        for name in (f"v{n}", "next"):
            shutil.rmtree(self.at(name), ignore_errors=True) if name != "next" else (os.path.lexists(self.at(name)) and os.unlink(self.at(name)))
        os.mkdir(self.at(f"v{n}"))
        put(self.at(f"v{n}/ledger"), text(n))
        os.symlink(f"v{n}", self.at("next"))
        os.rename(self.at("next"), self.at("live"))
        shutil.rmtree(self.at(old))

    def load(self):
        return number(slurp(self.at("live/ledger")))


@kind
class journalled(Kind):
    """Sound: the new content is in a journal before it is written in place."""
    def start(self):
        if os.path.exists(self.at("journal")):
            # One that is not whole was cut before anything was written in place.
            if self.whole_journal() is not None:
                self.put_synced("ledger", text(self.whole_journal()))
            os.unlink(self.at("journal"))
        return self.load()

    def whole_journal(self):
        try:
            return number(slurp(self.at("journal")))
        except (OSError, ValueError, IndexError):
            return None

    def put_synced(self, name, data):
        fd = os.open(self.at(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        write_all(fd, data)
        os.fsync(fd)
        os.close(fd)

    def save(self, n):
        self.put_synced("journal", text(n))
        sync_dir(self.d)
        self.put_synced("ledger", text(n))
        os.unlink(self.at("journal"))
        sync_dir(self.d)

    def load(self):
        n = self.whole_journal()
        return super().load() if n is None else n


@kind
class journal_believed(journalled):
    """Broken: a start writes in place what it finds, though the journal that it came from was cut: the next kill tears it."""
    def start(self):
        if os.path.exists(self.at("journal")):
            self.put_synced("ledger", text(self.load()))
            os.unlink(self.at("journal"))
        return self.load()


@kind
class table(Kind):
    """Sound: SQLite with its rollback journal."""
    mode = "delete"

    def open(self):
        db = sqlite3.connect(self.at("t.db"), isolation_level=None)
        db.execute(f"pragma journal_mode={self.mode}")
        db.execute("pragma synchronous=full")
        return db

    def setup(self):
        db = self.open()
        db.execute("create table t(n, v)")
        db.executemany("insert into t values(0, ?)", [("x" * 500,)] * 12)
        db.close()

    def save(self, n):
        db = self.open()
        db.execute("begin")
        db.execute("update t set n = ?, v = ?", (n, str(n % 10) * 500))
        db.execute("commit")
        db.close()

    def load(self):
        db = self.open()
        try:
            if db.execute("pragma integrity_check").fetchone()[0] != "ok":
                raise ValueError("integrity")
            rows = db.execute("select distinct n from t").fetchall()
        finally:
            db.close()
        if len(rows) != 1:
            raise ValueError("mixed")
        return rows[0][0]


@kind
class table_with_a_log(table):
    """Sound: SQLite with a write-ahead log, which is mapped."""
    mode = "wal"


@kind
class each_for_itself(Kind):
    """Sound: four entries, saved by threads in another order than they are counted; a checker names those that are there."""
    def setup(self):
        put(self.at("e0"), b"0")

    def run(self):
        say("ready")
        todo = [n for n in range(1, 5) if not os.path.exists(self.at(f"e{n}"))]
        if len(todo) < 4:
            return
        def one(n, wait):
            say("begin", n)
            time.sleep(wait)
            replace(self.at(f"e{n}"), b"%d" % n)
            say("ack", n)
        threads = [threading.Thread(target=one, args=pair) for pair in ((1, 0.06), (2, 0.0), (3, 0.09), (4, 0.03))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def answer(self):
        return [("has", n) for n in range(1, 5) if os.path.exists(self.at(f"e{n}"))] + [("done",)]


@kind
class each_for_itself_unsaid(each_for_itself):
    """The same, and a checker that does not say when it is done."""
    def answer(self):
        return super().answer()[:-1] or [("ok",)]


@kind
class one_is_lost(each_for_itself):
    """Broken: for a moment the second entry takes the first away."""
    def run(self):
        say("ready")
        for n in range(1, 4):
            if os.path.exists(self.at(f"e{n}")):
                continue
            say("begin", n)
            replace(self.at(f"e{n}"), b"%d" % n)
            if n == 2 and os.path.exists(self.at("e1")):
                os.unlink(self.at("e1"))
                replace(self.at("e1"), b"1")
            say("ack", n)


# Calls that fail.
@kind
class takes_what_was_written(Kind):
    """Broken: how much was written is not looked at."""
    def save(self, n):
        fd = os.open(self.at("new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, text(n))
        os.fsync(fd)
        os.close(fd)
        os.rename(self.at("new"), self.at("ledger"))
        sync_dir(self.d)


@kind
class tries_the_rest_once(Kind):
    """Broken: a first write that fails ends the save; whether the rest could be written is not looked at."""
    def save(self, n):
        data = text(n)
        fd = os.open(self.at("new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        done = os.write(fd, data)
        try:
            write_all(fd, data[done:])
        except OSError:
            pass
        os.fsync(fd)
        os.close(fd)
        os.rename(self.at("new"), self.at("ledger"))
        sync_dir(self.d)


@kind
class goes_on_after_a_failed_sync(Kind):
    """Broken: the sync of the ledger may fail, that of the index is looked at."""
    def save(self, n):
        fd = os.open(self.at("new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        write_all(fd, text(n))
        try:
            os.fsync(fd)
        except OSError:
            pass
        os.close(fd)
        os.rename(self.at("new"), self.at("ledger"))
        sync_dir(self.d)
        replace(self.at("index"), b"%d" % n)


@kind
class memo_beside(Kind):
    """Sound: whether a memo that nobody reads is on the disk it does not look at; its mode is set with the kind of the file in it."""
    def save(self, n):
        replace(self.at("ledger"), text(n))
        fd = os.open(self.at("a-memo"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        write_all(fd, b"saved %d" % n)
        libc.fchmod(fd, 0o100644)
        try:
            os.fsync(fd)
        except OSError:
            pass
        os.close(fd)


@kind
class says_nothing(Kind):
    """Whether it notices an error nobody can tell: it swallows all of them, acknowledges nothing, and ends with 0."""
    def run(self):
        for n in range(1, 4):
            try:
                self.save(n)
            except OSError:
                pass

    def answer(self):
        return [("ok",)] if self.load() >= 0 else []


@kind
class starts_anew_where_it_cannot_read(Kind):
    """Broken: an error on reading is a first start."""
    def start(self):
        try:
            return self.load()
        except OSError:
            return 0


@kind
class writes_it_anew(Kind):
    """Sound: a save that failed is made once more, through another file."""
    def save(self, n):
        for name in ("a.new", "b.new", "c.new"):
            try:
                return replace(self.at("ledger"), text(n), self.at(name))
            except OSError as error:
                last = error
        raise last


@kind
class through_elsewhere(Kind):
    """Sound: the temporary lies beside the state directory, on the same file system."""
    def save(self, n):
        near = os.path.join(os.path.dirname(self.d), "near")
        os.makedirs(near, exist_ok=True)
        replace(self.at("ledger"), text(n), os.path.join(near, f"part-{random.randrange(10 ** 9)}"))


@kind
class through_elsewhere_unlooked(through_elsewhere):
    """Broken: how much was written there is not looked at."""
    def save(self, n):
        near = os.path.join(os.path.dirname(self.d), "near")
        os.makedirs(near, exist_ok=True)
        name = os.path.join(near, f"part-{random.randrange(10 ** 9)}")
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, text(n))
        os.fsync(fd)
        os.close(fd)
        os.rename(name, self.at("ledger"))
        sync_dir(self.d)


# For audits.
@kind
class makes_it(Kind):
    """Makes its file under its own name, as `open(path, "w")` does."""
    def run(self):
        put(self.at("ledger"), text(1))


@kind
class makes_it_new(Kind):
    """The same, and never over one that is there."""
    def run(self):
        put(self.at("ledger"), text(1), os.O_WRONLY | os.O_CREAT | os.O_EXCL)


@kind
class keeps_dated_copies(Kind):
    """Sound: before each save a copy is made under a name of its own."""
    def run(self):
        put(self.at(f"ledger-{time.time_ns()}"), slurp(self.at("ledger")))
        replace(self.at("ledger"), text(1))


@kind
class makes_it_whole(Kind):
    """Sound: another name, then its own."""
    def run(self):
        replace(self.at("ledger"), text(1))


@kind
class keeps_a_log(Kind):
    """Sound: beside it a log, which is only appended to."""
    def run(self):
        put(self.at("bot.log"), b"saving\n", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        replace(self.at("ledger"), text(1))


@kind
class rewrites_a_log(Kind):
    """Broken: what is called a log is its state."""
    def setup(self):
        put(self.at("trades.log"), text(0))

    def run(self):
        put(self.at("trades.log"), text(1))


@kind
class prints(Kind):
    """Sound: what it prints is no state."""
    def run(self):
        os.write(1, b"one\n")
        replace(self.at("ledger"), text(1))
        os.write(1, b"two\n")
        os.write(2, b"three\n")


def main():
    role, name, d = sys.argv[1:4]
    if role == "batch":
        for line in sys.stdin:
            for words in KINDS[name](line.rstrip("\n")).answer():
                say(*words)
    elif role == "check":
        for words in KINDS[name](d).answer():
            say(*words)
    else:
        getattr(KINDS[name](d), role)()
