//! The exported functions that return one field, and where it is; each width assembles them its own way.

use super::super::error::AsmError;
use super::fields::Fields;

/// The names of the function that returns the thread that runs.
pub(super) const CURRENT_THREAD: [&str; 2] = ["PsGetCurrentThread", "KeGetCurrentThread"];

/// Fields of the thread that runs.
pub(super) fn of_current(f: &Fields) -> Result<[(&'static str, i32); 5], AsmError> {
    let process = f.thread("ApcState")? + f.at("KAPC_STATE", "Process")?;
    Ok([
        ("PsGetCurrentProcess", process),
        ("IoGetCurrentProcess", process),
        ("PsGetCurrentProcessId", cid(f, "UniqueProcess")?),
        ("PsGetCurrentThreadId", cid(f, "UniqueThread")?),
        ("PsGetCurrentThreadTeb", f.thread("Teb")?),
    ])
}

/// Fields of the object that the caller passes.
pub(super) fn of_object(f: &Fields) -> Result<[(&'static str, i32); 3], AsmError> {
    Ok([
        ("PsGetProcessId", f.at("EPROCESS", "UniqueProcessId")?),
        ("PsGetThreadId", cid(f, "UniqueThread")?),
        ("PsGetThreadProcessId", cid(f, "UniqueProcess")?),
    ])
}

fn cid(f: &Fields, part: &str) -> Result<i32, AsmError> {
    Ok(f.at("ETHREAD", "Cid")? + f.at("CLIENT_ID", part)?)
}
