//! What file objects are open on, in words.

use kernel_model::Kernel;
use kernel_model::io::{FileObject, Stream, Target};

use super::bodies::printable;

/// What a file object is open on: `console output`, `C:\folder\name`.
pub(crate) fn file_text(kernel: &Kernel, file: &FileObject) -> String {
    let name = || printable(&String::from_utf16_lossy(&file.name));
    match file.target {
        Target::Console(stream) => format!("console {}", stream_text(stream)),
        Target::ConsoleBoth => "console".into(),
        Target::Null => "null device".into(),
        Target::Random => "random bytes".into(),
        Target::Node(place) => {
            let letter = kernel.io.volume(place.volume).map_or('?', |volume| volume.letter);
            format!("{letter}:{}", name())
        }
        Target::Volume(volume) => {
            kernel.io.volume(volume).map_or_else(|_| "volume".into(), |v| format!("volume {}:", v.letter))
        }
        Target::Pipe(end) => format!("pipe {}, {}", name(), if end.server { "server" } else { "client" }),
        Target::Pipes => "named pipes".into(),
        Target::Mailslot(_) | Target::MailslotClient(_) => format!("mailslot {}", name()),
        Target::Mailslots => "mailslots".into(),
    }
}

fn stream_text(stream: Stream) -> &'static str {
    match stream {
        Stream::Input => "input",
        Stream::Output => "output",
        Stream::Error => "error",
    }
}

/// The same with what the file object itself knows.
pub(super) fn file_lines(kernel: &Kernel, file: &FileObject) -> Vec<String> {
    match file.target {
        Target::Console(stream) => vec![format!("the console's {}", stream_text(stream))],
        Target::Node(_) => {
            let mut lines = vec![file_text(kernel, file)];
            let kind = if file.is_synchronous() { "synchronous" } else { "asynchronous" };
            lines.push(format!("{kind}, at byte {}", file.position));
            if file.delete_on_close {
                lines.push("deleted when it is closed".into());
            }
            lines
        }
        _ => vec![file_text(kernel, file)],
    }
}
