//! What user32 asks of win32k when it is loaded, in a process that makes no window.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{Args, NtResult, Service, Support};

const NO_WINDOWS: Support = Support::Partial("there are no windows");

pub(super) static SERVICES: &[Service] = &[
    Service {
        name: "NtUserInitializeClientPfnArrays",
        support: NO_WINDOWS,
        run: initialize_client_functions,
        arg_count: 4,
    },
    Service { name: "NtUserGetSystemDpiForProcess", support: NO_WINDOWS, run: system_dpi, arg_count: 1 },
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
