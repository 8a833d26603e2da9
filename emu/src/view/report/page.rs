//! The report as a page for browsers.

use std::fmt::Write as _;

use super::timeline::{Kind, Slice, Timeline};
use super::{ModulePart, Report, Touched};
use crate::view::html::{Cells, Column, Page, escape};

/// The chart's size, and the colours of [`Kind::ALL`], readable on light and dark.
const WIDTH: usize = 768;
const HEIGHT: u64 = 120;
const COLOURS: [&str; 5] = ["#4e79a7", "#e15759", "#59a14f", "#f28e2b", "#9c9c9c"];
/// What marks direct system calls and exceptions below the bars.
const MARKS: [(&str, &str); 2] = [("#b07aa1", "direct system calls"), ("#d4a017", "exceptions")];

fn milliseconds(ns: u64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}

/// The calls over time as bars.
fn chart(timeline: &Timeline) -> String {
    let most = timeline.slices.iter().map(Slice::total).max().unwrap_or(0).max(1);
    let step = WIDTH / timeline.slices.len().max(1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"calls over virtual time\">\n",
        HEIGHT + 24
    );
    let mut bar = |x: usize, y: u64, height: u64, colour: &str, title: &str| {
        let width = step.saturating_sub(1).max(1);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"><title>{}</title></rect>",
            escape(title)
        );
    };
    for (i, slice) in timeline.slices.iter().enumerate() {
        let from = milliseconds(timeline.width_ns * i as u64);
        let mut y = HEIGHT;
        for ((calls, (_, name)), colour) in slice.calls.iter().zip(Kind::ALL).zip(COLOURS).filter(|((n, _), _)| **n > 0)
        {
            let height = (calls * HEIGHT / most).max(1);
            y = y.saturating_sub(height);
            bar(i * step, y, height, colour, &format!("{calls} calls about {name}, from {from} on"));
        }
        for ((n, (colour, what)), y) in
            [slice.direct, slice.exceptions].iter().zip(MARKS).zip([HEIGHT + 4, HEIGHT + 14])
        {
            if *n > 0 {
                bar(i * step, y, 6, colour, &format!("{n} {what}, from {from} on"));
            }
        }
    }
    svg + "</svg>\n"
}

/// What the colours of the chart mean.
fn legend() -> String {
    let kinds = Kind::ALL.iter().map(|(_, name)| *name).zip(COLOURS);
    let marks = MARKS.iter().map(|(colour, what)| (*what, *colour));
    let each = kinds.chain(marks).map(|(name, colour)| format!("<span style=\"color:{colour}\">&#9632;</span> {name}"));
    format!("<p>{}</p>\n", each.collect::<Vec<_>>().join(" &#160; "))
}

fn touched(page: &mut Page, head: &str, what: &'static str, list: &[Touched]) {
    if list.is_empty() {
        return;
    }
    page.heading(head);
    let columns = [
        Column(what, Cells::Wide),
        Column("services", Cells::Wide),
        Column("calls", Cells::Number),
        Column("failed", Cells::Number),
        Column("last status", Cells::Text),
    ];
    let row = |t: &Touched| {
        vec![t.name.clone(), t.services.join(", "), t.calls.to_string(), t.failed.to_string(), t.last.clone()]
    };
    page.table(&columns, list.iter().map(row));
}

fn processes(page: &mut Page, report: &Report) {
    for process in &report.processes {
        page.heading(&format!("Process {}", process.pid));
        let threads: Vec<String> = process.threads.iter().map(u32::to_string).collect();
        page.line(&format!("{} calls by threads {}", process.calls, threads.join(", ")));
        let columns = [Column("module", Cells::Wide), Column("base", Cells::Number), Column("size", Cells::Number)];
        let row = |m: &ModulePart| vec![m.path.clone(), m.base.clone(), format!("{:#x}", m.size)];
        page.table(&columns, process.modules.iter().map(row));
    }
}

fn services(page: &mut Page, report: &Report) {
    page.heading("Calls by service");
    let columns = [
        Column("service", Cells::Text),
        Column("calls", Cells::Number),
        Column("failed", Cells::Number),
        Column("statuses", Cells::Wide),
    ];
    let rows = report.services.iter().map(|part| {
        let statuses: Vec<String> = part.statuses.iter().map(|(status, n)| format!("{status} {n}")).collect();
        let name = part.service.unwrap_or("(numbers that no table has)").to_string();
        vec![name, part.calls.to_string(), part.failed.to_string(), statuses.join(", ")]
    });
    page.table(&columns, rows);
    if !report.missing.is_empty() {
        page.heading("Missing in this emulator");
        let columns = [Column("what", Cells::Wide), Column("calls", Cells::Number)];
        page.table(&columns, report.missing.iter().map(|(what, n)| vec![what.clone(), n.to_string()]));
    }
}

fn events(page: &mut Page, report: &Report) {
    if !report.direct.is_empty() {
        page.heading("Direct system calls");
        page.line("By code outside ntdll and win32u.");
        let columns = [
            Column("from", Cells::Text),
            Column("gate", Cells::Text),
            Column("service", Cells::Text),
            Column("number", Cells::Number),
            Column("calls", Cells::Number),
        ];
        let rows = report.direct.iter().map(|part| {
            let service = part.service.unwrap_or("(no such service)").to_string();
            vec![part.place.clone(), part.gate.into(), service, format!("{:#x}", part.number), part.calls.to_string()]
        });
        page.table(&columns, rows);
    }
    if !report.exceptions.is_empty() {
        page.heading("Exceptions");
        let columns = [
            Column("code", Cells::Text),
            Column("at", Cells::Text),
            Column("what", Cells::Wide),
            Column("times", Cells::Number),
        ];
        let rows = report.exceptions.iter();
        page.table(&columns, rows.map(|r| vec![r.code.clone(), r.place.clone(), r.what.clone(), r.times.to_string()]));
    }
}

/// One page that needs nothing else.
pub fn report_html(report: &Report) -> String {
    let mut page = Page::new(
        &format!("Report of {}", report.program),
        &format!(
            "{}. {} instructions, {} system calls, {} of virtual time, on {}.",
            report.end,
            report.instructions,
            report.calls,
            milliseconds(report.time_ns),
            report.profile
        ),
    );
    page.heading("Timeline");
    page.markup(&legend());
    page.markup(&chart(&report.timeline));
    events(&mut page, report);
    touched(&mut page, "Network: refused, there is none", "name", &report.network);
    touched(&mut page, "Files", "name", &report.files);
    touched(&mut page, "Registry", "key", &report.registry);
    touched(&mut page, "Other objects", "name", &report.objects);
    services(&mut page, report);
    processes(&mut page, report);
    if report.left_out > 0 {
        page.line(&format!("{} names, places or exceptions came after the lists were full.", report.left_out));
    }
    page.finish()
}
