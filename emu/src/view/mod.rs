//! Pages that show the machine: stubs, the service table, the flow of a call, objects and handles.

mod bodies;
mod diff;
mod files;
mod flow;
mod handles;
mod html;
mod live;
mod moment;
mod number;
mod object;
mod objects;
mod paint;
mod processes;
mod profiles;
mod report;
mod ssdt;
mod stubs;
mod summary;
mod threads;

pub(crate) use files::file_text;

pub use diff::{Arguments, Listed, Moved, SsdtDiff, TableDiff, diff_text, ssdt_diff};
pub use flow::{Flow, FlowFinder, flow_svg, flow_text};
pub use handles::{HandleRow, HandleTables, handles, handles_html, handles_text};
pub use live::{Entrance, Live, LiveRow, live, live_text};
pub use moment::Snapshot;
pub use number::{Meaning, NumberRun, number_rows, number_text, service_rows};
pub use object::{ObjectPage, References, object, object_html, object_text};
pub use objects::{ObjectRow, Objects, objects, objects_html, objects_text};
pub use paint::Paint;
pub use processes::{ProcessRow, Processes, processes, processes_html, processes_text};
pub use profiles::{ProfileRow, profile_rows, profiles_text};
pub use report::{Report, ReportWatcher, report, report_html};
pub use ssdt::{SsdtRow, ssdt_rows, ssdt_text, written_services};
pub use stubs::{StubView, stub_views, stubs_text};
pub use summary::summary;
pub use threads::{ThreadRow, Threads, threads, threads_html, threads_text};
