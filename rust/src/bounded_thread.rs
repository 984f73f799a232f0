//! Work whose cost is not known beforehand, on a thread of its own with bounds on memory, time and
//! depth.
//!
//! Every allocation of the thread passes through `CountingAllocator`, which compares what the
//! thread holds with its bounds. Nothing can stop a computation there: an allocator may not unwind,
//! and an allocation that fails ends the process. So a thread beyond a bound says so and then
//! sleeps for ever, while its caller goes on. What it held, at most the bounds, is lost; the caller
//! sees to it that this happens once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use std::{fmt, panic, ptr, thread};

/// What a thread may use.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Memory beyond what it was given to start with.
    pub bytes: isize,
    pub cpu_time: Duration,
}

/// Reserved, not used: it holds the destruction of the deepest value that the steps of a template
/// can build, which allocates nothing and is not seen here.
const STACK_BYTES: usize = 256 << 20;
/// Depth at which a thread is stopped that still allocates.
const MAX_STACK_BYTES: usize = STACK_BYTES - (16 << 20);
/// Asking for the time is a system call.
const CALLS_PER_CLOCK: u32 = 64;

/// Why there is no result: no thread could be started, or it sleeps beyond one of its bounds.
#[derive(Clone, Copy, PartialEq)]
pub enum Unfinished {
    NoThread,
    Memory(isize),
    Time(Duration),
    Depth,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::NoThread => write!(formatter, "no thread for it can be started"),
            Unfinished::Memory(bytes) => {
                write!(formatter, "it needs more than {} MiB", bytes >> 20)
            }
            Unfinished::Time(time) => {
                write!(formatter, "it does not end within {} s", time.as_secs())
            }
            Unfinished::Depth => write!(formatter, "it nests values too deeply"),
        }
    }
}

struct Meter<'a> {
    bounds: Bounds,
    bytes: Cell<isize>,
    calls: Cell<u32>,
    stack_base: usize,
    stop: &'a dyn Fn(Unfinished),
}

impl Meter<'_> {
    fn exceeded(&self) -> Option<Unfinished> {
        if self.bytes.get() > self.bounds.bytes {
            return Some(Unfinished::Memory(self.bounds.bytes));
        }
        let here = 0u8;
        if self.stack_base.saturating_sub(ptr::from_ref(&here) as usize) > MAX_STACK_BYTES {
            return Some(Unfinished::Depth);
        }
        self.calls.set(self.calls.get().wrapping_add(1));
        if self.calls.get() % CALLS_PER_CLOCK == 0 && cpu_time() > self.bounds.cpu_time {
            return Some(Unfinished::Time(self.bounds.cpu_time));
        }
        None
    }
}

/// Of this thread, so that a busy machine changes nothing.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the target is valid for a write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

thread_local! {
    /// Null on threads without bounds. It needs no destructor, so an allocator may use it.
    static METER: Cell<*const Meter<'static>> = const { Cell::new(ptr::null()) };
}

/// Counts for one thread while it lives.
struct Metered;

impl Metered {
    fn new(meter: &Meter<'_>) -> Self {
        METER.set(ptr::from_ref(meter).cast());
        Self
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        METER.set(ptr::null());
    }
}

fn charge(bytes: isize) {
    let meter = METER.get();
    if meter.is_null() {
        return;
    }
    // SAFETY: `Metered` takes the pointer away before the meter goes.
    let meter = unsafe { &*meter };
    meter.bytes.set(meter.bytes.get() + bytes);
    if bytes < 0 {
        return;
    }
    // What follows allocates itself.
    let metered = METER.replace(ptr::null());
    if let Some(bound) = meter.exceeded() {
        (meter.stop)(bound);
        loop {
            thread::park();
        }
    }
    METER.set(metered);
}

struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

// SAFETY: all memory comes from the system's allocator, whose contract is passed on.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size() as isize);
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size() as isize);
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        charge(-(layout.size() as isize));
        System.dealloc(pointer, layout)
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        charge(new_size as isize - layout.size() as isize);
        System.realloc(pointer, layout, new_size)
    }
}

#[derive(Clone, Copy)]
enum Progress {
    Running,
    Ended,
    Stopped(Unfinished),
}

/// How a thread tells its caller what has become of it, without allocating.
struct Signal {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Signal {
    fn set(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        self.changed.notify_one();
    }

    fn wait(&self) -> Progress {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *self
            .changed
            .wait_while(progress, |progress| matches!(progress, Progress::Running))
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the thread has ended, also when it panics.
struct EndSignal(Arc<Signal>);

impl Drop for EndSignal {
    fn drop(&mut self) {
        self.0.set(Progress::Ended);
    }
}

/// What `work` returns. A panic goes on in the caller.
pub fn run_bounded<T: Send + 'static>(
    bounds: Bounds,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unfinished> {
    let signal =
        Arc::new(Signal { progress: Mutex::new(Progress::Running), changed: Condvar::new() });
    let at_end = EndSignal(signal.clone());
    let metered_work = move || {
        let start = 0u8;
        let meter = Meter {
            bounds,
            bytes: Cell::new(0),
            calls: Cell::new(0),
            stack_base: ptr::from_ref(&start) as usize,
            stop: &|bound| at_end.0.set(Progress::Stopped(bound)),
        };
        let _metered = Metered::new(&meter);
        work()
    };
    let worker = Builder::new()
        .name("text".to_string())
        .stack_size(STACK_BYTES)
        .spawn(metered_work)
        .map_err(|_| Unfinished::NoThread)?;
    match signal.wait() {
        Progress::Stopped(bound) => Err(bound),
        _ => worker.join().or_else(|payload| panic::resume_unwind(payload)),
    }
}
