//! What the kernel is told of a process once it is loaded, for those who ask about it.

use kernel_model::mm::{ImageInformation, machine};
use kernel_model::ps::{EXECUTE_DISABLE, SYSTEM_VOLUME, SystemImage};

use super::modules::{Module, Modules};
use super::{ProcessConfig, Target, environment};

/// `C:\\a.exe` as the object manager names it.
fn device_path(path: &str) -> String {
    format!("{SYSTEM_VOLUME}{}", path.strip_prefix("C:\\").unwrap_or(path))
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
    let about = &mut target.kernel.ps.process.about;
    about.path = device_path(&program.path);
    about.command_line = environment::command_line(&program.path, &config.args);
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
