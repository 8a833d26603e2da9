//! Programs that run as somebody: what the directories of names let them do, through real stubs, in both widths and on a
//! kernel in ring 0. Expected: see `protections.rs`.

use kernel_model::packages::{LogOn, PACKAGE};
use kernel_model::se::Account;
use trapgate::machine::Dispatch;
use trapgate::{Config, End, Machine};

use crate::support::{fixture_config, trapgate};

fn lines(user: LogOn, change: impl FnOnce(&mut Config)) -> Vec<String> {
    let fixture = fixtures::get("win_who").expect("the fixture");
    let mut config = fixture_config(fixture);
    config.user = user;
    change(&mut config);
    let mut machine = Machine::new(&config).expect("a machine");
    let end = machine.run().expect("no engine failure");
    assert!(matches!(end, End::Exit(status) if status.0 == 0), "{end:?}");
    let output = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    output.lines().map(str::to_string).collect()
}

/// The lines about names and the statuses.
fn expected(names: [&str; 3], statuses: [u32; 3]) -> Vec<String> {
    let what = ["plain", "Local", "Global"].iter().zip(names).map(|(what, name)| format!("{what}: {name}"));
    let place = ["in the root", "among ports", "among devices"];
    let statuses = place.iter().zip(statuses).map(|(what, status)| format!("{what}: {status:08X}"));
    what.chain(statuses).collect()
}

const DENIED: u32 = 0xc000_0022;
const SESSION: [&str; 3] =
    ["\\Sessions\\1\\BaseNamedObjects\\Flask", "\\Sessions\\1\\BaseNamedObjects\\Flask2", "\\BaseNamedObjects\\Flask3"];
const SERVICES: [&str; 3] = ["\\BaseNamedObjects\\Flask", "\\BaseNamedObjects\\Flask2", "\\BaseNamedObjects\\Flask3"];

#[test]
fn a_programs_names_go_by_its_user() {
    let (user, administrator) = (LogOn::default(), LogOn::Account(Account::Administrator));
    assert_eq!(lines(user, |_| ()), expected(SESSION, [DENIED, 0, 0]));
    assert_eq!(lines(administrator, |_| ()), expected(SESSION, [0, 0, 0]));
    assert_eq!(lines(LogOn::Low, |_| ()), expected(SESSION, [DENIED, 0, DENIED]));
    assert_eq!(lines(LogOn::Account(Account::LocalSystem), |_| ()), expected(SERVICES, [0, 0, 0]));
}

/// An AppContainer's names lie in its own directory, whose links give `Local\` its meaning; `Global\` is refused.
#[test]
fn a_package_has_its_own_names() {
    let home = format!("\\Sessions\\1\\AppContainerNamedObjects\\{PACKAGE}");
    let (plain, local) = (format!("{home}\\Flask"), format!("{home}\\Flask2"));
    let boxed = expected([&plain, &local, "5"], [DENIED, DENIED, DENIED]);
    assert_eq!(lines(LogOn::Package, |_| ()), boxed);
    assert_eq!(lines(LogOn::Package, |config| config.dispatch = Dispatch::Kernel), boxed);
    let narrow = |config: &mut Config| {
        let image = fixtures::get("win_who").and_then(|f| f.x86).expect("a 32-bit form");
        config.process.program = trapgate::loader::Program::Pe(image.to_vec());
    };
    assert_eq!(lines(LogOn::Package, narrow), boxed);
    let mut command = trapgate();
    let output = command.args(["run", "--quiet", "--user", "package"]).arg(fixtures::path("win_who")).output();
    let output = output.expect("the command runs");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("plain: {plain}")));
}
