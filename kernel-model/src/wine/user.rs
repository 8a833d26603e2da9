//! What user32 asks of win32k when it is loaded, in a process that makes no window.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{Args, FromRaw, NtResult, Service, Support, Unwind};

const NO_WINDOWS: Support = Support::Partial("there are no windows");

pub(super) static SERVICES: &[Service] = &[
    Service {
        name: "NtUserInitializeClientPfnArrays",
        support: NO_WINDOWS,
        run: initialize_client_functions,
        arg_count: 4,
    },
    Service { name: "NtUserGetSystemDpiForProcess", support: NO_WINDOWS, run: system_dpi, arg_count: 1 },
    Service {
        name: "NtUserCallNoParam",
        support: Support::Partial("of its functions the end of a thread, which has no windows"),
        run: call_no_param,
        arg_count: 1,
    },
    Service {
        name: "NtUserCallOneParam",
        support: Support::Partial("of its functions GetSystemMetrics, of how the system was started and is used"),
        run: call_one_param,
        arg_count: 2,
    },
];

/// `NtUserInitializeClientPfnArrays`: where user32 has its window procedures, and itself. They are kept.
///
/// `STATUS_ACCESS_VIOLATION`.
fn initialize_client_functions(cx: &mut Cx<'_>, args: &Args) -> NtResult {
    let places = [0, 1, 2, 3].map(|index| args.get(index));
    if let Some(first) = places.first().filter(|place| **place != 0) {
        cx.mem().load(UserPtr::<Word>::new(*first))?;
    }
    if let Some(root) = &mut cx.kernel.wine {
        root.client_functions = places;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtUserGetSystemDpiForProcess`: dots per inch, those of a screen that is not scaled.
fn system_dpi(_: &mut Cx<'_>, _: &Args) -> NtResult {
    const UNSCALED: u32 = 96;
    Ok(NtStatus(UNSCALED))
}

/// `NtUserCallNoParam`: what user32 does when a thread ends. It has no windows to give back.
fn call_no_param(_: &mut Cx<'_>, args: &Args) -> NtResult {
    /// `NtUserExitingThread`, `NtUserThreadDetach`.
    const OF_A_THREADS_END: [u32; 2] = [9, 10];
    match u32::from_raw(args.get(0)) {
        code if OF_A_THREADS_END.contains(&code) => Ok(NtStatus::SUCCESS),
        code => Err(Unwind::unsupported(format!("function {code}"))),
    }
}

/// `NtUserCallOneParam`: `GetSystemMetrics` of what does not depend on a screen.
fn call_one_param(_: &mut Cx<'_>, args: &Args) -> NtResult {
    const GET_SYSTEM_METRICS: u32 = 14;
    /// A normal start (`SM_CLEANBOOT`), no other user's session (`SM_REMOTESESSION`), none that shuts down
    /// (`SM_SHUTTINGDOWN`).
    const ZERO: [u32; 3] = [67, 0x1000, 0x2000];
    match (u32::from_raw(args.get(1)), u32::from_raw(args.get(0))) {
        (GET_SYSTEM_METRICS, metric) if ZERO.contains(&metric) => Ok(NtStatus(0)),
        (GET_SYSTEM_METRICS, metric) => Err(Unwind::unsupported(format!("system metric {metric}"))),
        (code, _) => Err(Unwind::unsupported(format!("function {code}"))),
    }
}
