//! Pages for browsers: one file each, with nothing from anywhere else, no script, light or dark as the reader has it.

use std::fmt::Write as _;

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem;background:Canvas;color:CanvasText}
h1{font-size:1.25rem;margin:0 0 .25rem}
h2{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.25rem 0 1rem;opacity:.75}
div{overflow-x:auto}
table{border-collapse:collapse}
th,td{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top;white-space:pre}
thead th{position:sticky;top:0;background:Canvas;border-bottom:1px solid GrayText}
tbody tr:hover{background:color-mix(in srgb,Highlight 15%,Canvas)}
td,code{font-family:ui-monospace,Consolas,monospace;font-size:13px}
.n{text-align:right}
.w{min-width:9rem;white-space:pre-wrap;overflow-wrap:anywhere}
";

/// A column of a table: its head, and how its cells stand.
#[derive(Clone, Copy)]
pub(super) struct Column(pub &'static str, pub Cells);

/// How cells stand.
#[derive(Clone, Copy)]
pub(super) enum Cells {
    /// As they are, on one line.
    Text,
    /// To the right.
    Number,
    /// On as many lines as it takes.
    Wide,
}

impl Cells {
    const fn class(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::Number => " class=\"n\"",
            Self::Wide => " class=\"w\"",
        }
    }
}

/// The same table as text: a line of heads, then the rows, in columns as wide as they need. `first` paints the first cell
/// of a row, which is given its number.
pub(super) fn text_table<const N: usize>(
    columns: &[Column; N], rows: &[[String; N]], first: impl Fn(usize, &str) -> String,
) -> String {
    let heads = columns.map(|Column(head, _)| head.to_string());
    let width = |i: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N], paint: &dyn Fn(&str) -> String| {
        let cells = row.iter().zip(widths).zip(columns).enumerate().map(|(i, ((cell, width), Column(_, cells)))| {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            let shown = if i == 0 { paint(cell) } else { cell.clone() };
            if matches!(cells, Cells::Number) { space + &shown } else { shown + &space }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let body = rows.iter().enumerate().map(|(number, row)| line(row, &|cell| first(number, cell)));
    line(&heads, &|cell| cell.to_string()) + &body.collect::<String>()
}

/// A page that is being written.
pub(super) struct Page(String);

/// Text between tags or in an attribute. What XML has no place for is replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

impl Page {
    /// A page with a title and a line below it.
    pub(super) fn new(title: &str, line: &str) -> Self {
        let (title, line) = (escape(title), escape(line));
        Self(format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>\
             <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p>{line}</p>\n"
        ))
    }

    /// A heading.
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "<h2>{}</h2>", escape(text));
    }

    /// A line of text.
    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p>{}</p>", escape(text));
    }

    /// Markup as it is.
    pub(super) fn markup(&mut self, markup: &str) {
        self.0 += markup;
    }

    /// A table.
    pub(super) fn table(&mut self, columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) {
        self.0 += "<div><table><thead><tr>";
        for Column(head, cells) in columns {
            let _ = write!(self.0, "<th{}>{}</th>", cells.class(), escape(head));
        }
        self.0 += "</tr></thead><tbody>\n";
        for row in rows {
            self.0 += "<tr>";
            for (cell, Column(_, cells)) in row.iter().zip(columns) {
                let _ = write!(self.0, "<td{}>{}</td>", cells.class(), escape(cell));
            }
            self.0 += "</tr>\n";
        }
        self.0 += "</tbody></table></div>\n";
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0 + "</body></html>\n"
    }
}
