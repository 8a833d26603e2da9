//! What the commands that look at objects, handles and processes do.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{HandlesOptions, ObjectOptions, ObjectsOptions, PageOptions, PsOptions};
use super::commands::{Outcome, snapshot};
use super::{files, pages};
use crate::view::{self, Paint};

pub(super) fn objects(options: &ObjectsOptions) -> Outcome {
    let mut args = options.args.clone();
    // A full path of an object begins with a backslash, and no program on the host does: without one, the first word
    // is the program.
    let (path, image) = match &options.path {
        Some(path) if !path.starts_with('\\') => {
            args.splice(0..0, options.image.iter().map(|word| word.display().to_string()));
            ("\\", Some(PathBuf::from(path)))
        }
        path => (path.as_deref().unwrap_or("\\"), options.image.clone()),
    };
    let taken = snapshot(&options.machine, image.as_deref(), &args)?;
    let page = view::objects(&taken, path, options.depth)?;
    show(&options.page, &page, || view::objects_html(&page), |paint| view::objects_text(&page, paint))
}

pub(super) fn handles(options: &HandlesOptions) -> Outcome {
    let page = view::handles(&snapshot(&options.machine, Some(&options.image), &options.args)?, options.all);
    show(&options.page, &page, || view::handles_html(&page), |paint| view::handles_text(&page, paint))
}

pub(super) fn ps(options: &PsOptions) -> Outcome {
    let taken = snapshot(&options.machine, options.image.as_deref(), &options.args)?;
    if options.threads {
        let page = view::threads(&taken);
        return show(&options.page, &page, || view::threads_html(&page), |paint| view::threads_text(&page, paint));
    }
    let page = view::processes(&taken);
    show(&options.page, &page, || view::processes_html(&page), |paint| view::processes_text(&page, paint))
}

pub(super) fn object(options: &ObjectOptions) -> Outcome {
    let taken = snapshot(&options.machine, options.image.as_deref(), &options.args)?;
    let page = view::object(&taken, &options.object)?;
    show(&options.page, &page, || view::object_html(&page), |paint| view::object_text(&page, paint))
}

/// Prints a page, or writes it for a browser.
fn show(
    options: &PageOptions, data: &impl Serialize, html: impl FnOnce() -> String, text: impl FnOnce(Paint) -> String,
) -> Outcome {
    match &options.html {
        Some(path) => write(path, &html()),
        None => pages::page(options.json, data, text),
    }
}

fn write(path: &Path, html: &str) -> Outcome {
    files::write(path, html.as_bytes())?;
    Ok(0)
}
