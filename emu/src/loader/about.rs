//! What the kernel is told of a process once it is loaded, for those who ask about it.

use kernel_model::Kernel;
use kernel_model::mm::{ImageInformation, machine};
use kernel_model::ps::{EXECUTE_DISABLE, SYSTEM_VOLUME, SystemImage};

use super::modules::{Module, Modules};
use super::{ProcessConfig, Target, environment};

/// `C:\\a.exe` as the object manager names it.
fn device_path(kernel: &Kernel, path: &str) -> String {
    let other = path.split_once(":\\").filter(|(drive, _)| !drive.eq_ignore_ascii_case("C"));
    let volumes = &kernel.io.volumes;
    let volume = other.and_then(|(drive, _)| volumes.iter().position(|v| drive.starts_with(v.letter)));
    match (volume, other) {
        (Some(volume), Some((_, rest))) => format!("\\Device\\HarddiskVolume{}\\{rest}", volume + 1),
        _ => format!("{SYSTEM_VOLUME}{}", path.strip_prefix("C:\\").unwrap_or(path)),
    }
}

/// Tells of the process and its first thread.
pub(super) fn tell(target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules) {
    let native = target.profile().arch;
    let symbol = |dll: &str| modules.by_name(dll, native).and_then(|m| m.symbol("RtlUserThreadStart"));
    if let Some(address) = symbol("ntdll.dll") {
        target.kernel.set_user_thread_start(address);
    }
    let Some(program) = modules.program() else { return };
    let no_execute = target.kernel.mm.space.no_execute;
    let path = device_path(target.kernel, &program.path);
    let line = match &target.child {
        Some(child) => child.new.parameters.command_line(),
        None => environment::command_line(&program.path, &config.args),
    };
    let about = &mut target.kernel.ps.process.about;
    (about.path, about.command_line) = (path, line);
    about.execute_options = if no_execute { EXECUTE_DISABLE } else { 0 };
    about.image = image_information(program);
}

fn image_information(program: &Module) -> ImageInformation {
    let Some(image) = &program.image else {
        return ImageInformation { entry: program.base, machine: machine(program.arch), ..ImageInformation::default() };
    };
    ImageInformation::of(image, program.entry())
}

/// Tells which images are in kernel space.
pub(super) fn tell_images(target: &mut Target<'_>, modules: &Modules) {
    let image = |module: &Module| {
        let path = module.path.strip_prefix("C:\\Windows").map_or(module.path.clone(), |p| format!("\\SystemRoot{p}"));
        SystemImage { path, base: module.base, size: module.size }
    };
    target.kernel.images = modules.kernel().map(image).collect();
}
