//! Pages that show the machine: stubs, the service table, the flow of a call.

mod diff;
mod flow;
mod live;
mod number;
mod paint;
mod profiles;
mod ssdt;
mod stubs;
mod summary;

pub use diff::{Arguments, Listed, Moved, SsdtDiff, TableDiff, diff_text, ssdt_diff};
pub use flow::{Flow, FlowFinder, flow_svg, flow_text};
pub use live::{Entrance, Live, LiveRow, live, live_text};
pub use number::{Meaning, NumberRun, number_rows, number_text, service_rows};
pub use paint::Paint;
pub use profiles::{ProfileRow, profile_rows, profiles_text};
pub use ssdt::{SsdtRow, ssdt_rows, ssdt_text};
pub use stubs::{StubView, stub_views, stubs_text};
pub use summary::summary;
