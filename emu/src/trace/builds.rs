//! What a call would have been on the other builds: which service its number is there, and whether its arguments
//! would do for it.

use guest::builds::{Run, runs};
use guest::profile::Found;
use kernel_model::Call;
use serde::Serialize;

use super::View;
use super::fits::Fit;

/// Neighbouring builds on which a call's number is the same service with as many arguments.
#[derive(Clone, Debug, Serialize)]
pub struct BuildFit {
    /// The profiles, oldest first.
    pub profiles: Vec<&'static str>,
    /// The service; `None` where the row has no published name, or there is no such row.
    pub service: Option<&'static str>,
    /// Whether the arguments would do for it.
    #[serde(flatten)]
    pub fit: Fit,
    /// The running build is one of them.
    pub here: bool,
    /// The first and the last profile.
    #[serde(skip)]
    range: String,
}

/// What a number is on a build, as far as a run of builds must agree on it.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Service(&'static str, Option<u32>),
    Unnamed,
    Nothing,
}

impl View<'_> {
    /// What a call would have been on each build of the machine's architecture.
    pub fn builds(&self, call: &Call) -> Vec<BuildFit> {
        let meaning = |profile: &'static guest::Profile| match profile.find(call.number) {
            Found::Service(service) => Meaning::Service(service.info.name, service.words(profile.arch)),
            Found::Unnamed(_) => Meaning::Unnamed,
            Found::OutOfRange(_) | Found::NoTable => Meaning::Nothing,
        };
        runs(self.kernel.profile.arch, meaning).into_iter().map(|run| self.build_fit(call, &run)).collect()
    }

    fn build_fit(&self, call: &Call, run: &Run<Meaning>) -> BuildFit {
        let found = run.profiles.first().map(|profile| profile.find(call.number));
        let (service, fit) = match found {
            Some(Found::Service(service)) => (Some(service.info.name), self.fit(call, &service)),
            Some(Found::Unnamed(_)) => (None, Fit::Unknown("nobody has published its name")),
            _ => (None, Fit::No("there is no such number".into())),
        };
        BuildFit {
            profiles: run.profiles.iter().map(|p| p.name).collect(),
            service,
            fit,
            here: run.profiles.iter().any(|p| p.name == self.kernel.profile.name),
            range: run.to_string(),
        }
    }
}

impl BuildFit {
    /// `win8-x64 NtAddAtom`.
    fn text(&self) -> String {
        format!("{} {}", self.range, self.service.unwrap_or("a service without a published name"))
    }
}

/// The line of the listing: where the arguments would do, what the call is here, and where nobody can tell.
pub(super) fn builds_text(builds: &[BuildFit]) -> String {
    let fitting: Vec<String> = builds
        .iter()
        .filter(|b| b.fit == Fit::Yes)
        .map(|b| b.text() + if b.here { " (this build)" } else { "" })
        .collect();
    let mut parts = vec![if fitting.is_empty() { "no build".into() } else { fitting.join(", ") }];
    for here in builds.iter().filter(|b| b.here) {
        match (here.service, &here.fit) {
            (_, Fit::Yes) => {}
            (Some(name), Fit::No(why)) => parts.push(format!("here it is {name}, whose {why}")),
            (Some(name), Fit::Unknown(why)) => parts.push(format!("here it is {name}: {why}")),
            (None, Fit::No(why)) => parts.push(format!("here {why}")),
            (None, Fit::Unknown(why)) => parts.push(format!("here it is a service: {why}")),
        }
    }
    let untold = builds.iter().filter(|b| !b.here && matches!(b.fit, Fit::Unknown(_)));
    let untold: Vec<String> = untold.map(BuildFit::text).collect();
    if !untold.is_empty() {
        parts.push(format!("perhaps {}", untold.join(", ")));
    }
    parts.join("; ")
}
