//! The line at the end of a run.

use crate::machine::Machine;

/// Instructions, calls, calls by service, time, and what is missing, in words.
pub fn summary(machine: &Machine, elapsed: std::time::Duration) -> String {
    let stats = machine.stats();
    let table = &machine.kernel().services;
    let mut by_service: Vec<(u64, &str)> =
        stats.by_number().filter_map(|(number, n)| Some((n, table.row(number)?.info.name))).collect();
    by_service.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let named: Vec<String> = by_service.iter().take(8).map(|(n, name)| format!("{name} {n}")).collect();
    let more = by_service.len().saturating_sub(8);
    let mut services = named.join(", ");
    if more > 0 {
        services += &format!(", and {more} more");
    }
    if stats.unknown > 0 {
        services += &format!(", numbers no table has {}", stats.unknown);
    }
    if stats.no_gui > 0 {
        services += &format!(", win32k refused {}", stats.no_gui);
    }
    let services = services.trim_start_matches(", ");
    let calls = if services.is_empty() { String::new() } else { format!(" ({services})") };
    let missing: Vec<String> = stats.missing.iter().map(|(what, n)| format!("{what} x{n}")).collect();
    let missing =
        if missing.is_empty() { "nothing missing".into() } else { format!("missing: {}", missing.join("; ")) };
    format!(
        "{} instructions, {} system calls{calls}, {:.1} ms, {missing}",
        machine.instructions(),
        stats.calls,
        elapsed.as_secs_f64() * 1000.0,
    )
}
