//! Who a program runs as: accounts, a low user, an AppContainer with the directory of its names; and what goes with an
//! AppContainer's last token.

use std::sync::Arc;

use crate::body::Body;
use crate::kernel::Kernel;
use crate::ob::{ObjectId, kernel_key};
use crate::se::{Account, SecurityDescriptor, Sid, Token, integrity, lowbox_token};

/// Whom a process runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOn {
    /// An account.
    Account(Account),
    /// The user at low integrity, as a browser's sandbox has it.
    Low,
    /// The user in an AppContainer, [`PACKAGE`], without capabilities.
    Package,
}

impl Default for LogOn {
    /// The user, an administrator whose token is split, as it is without more ado.
    fn default() -> Self {
        Self::Account(Account::User)
    }
}

/// The package of [`LogOn::Package`]. Any SID of this form is one; the numbers of real ones are a hash of the name.
pub const PACKAGE: Sid = Sid::new(15, &[2, 1, 2, 3, 4, 5, 6, 7]);

impl Kernel {
    /// Makes the process one of somebody else, before it has run.
    pub fn log_on_as(&mut self, who: LogOn) {
        match who {
            LogOn::Account(Account::User) => {}
            LogOn::Account(account) => {
                self.log_on(account);
                if self.se.mandatory && account.is_service() {
                    self.ps.process.session = 0;
                }
            }
            LogOn::Low => self.change_token(|token| token.integrity = integrity::LOW),
            LogOn::Package => self.enter_package(PACKAGE),
        }
    }

    fn change_token(&mut self, change: impl FnOnce(&mut Token)) {
        if let Some(Body::Token(token)) = self.ob.get_mut(self.ps.process.token).map(|object| &mut object.body) {
            change(token);
        }
    }

    /// Puts the process into an AppContainer, and makes the package's directory.
    fn enter_package(&mut self, package: Sid) {
        let session = self.ps.process.session;
        let number = self.se.package_number(session, package);
        self.make_names_of(session, package);
        self.change_token(|token| {
            if let Ok(boxed) = lowbox_token(token, package, Vec::new(), number, token.id) {
                *token = boxed;
            }
        });
    }

    /// `\Sessions\N\AppContainerNamedObjects\S-1-15-2-...`, with the links that a directory of names has and a directory
    /// for ports; the package and the user may do everything there. A build without AppContainers has no place for it.
    fn make_names_of(&mut self, session: u32, package: Sid) {
        let path = format!("\\Sessions\\{session}\\AppContainerNamedObjects\\{package}");
        let user = match self.ob.get(self.ps.process.token).map(|object| &object.body) {
            Some(Body::Token(token)) => token.user.sid,
            _ => return,
        };
        let sddl = format!("O:BAG:SYD:(A;;GA;;;SY)(A;;GA;;;{user})(A;;GA;;;{package})S:(ML;;NW;;;LW)");
        let link = |to: &str| Body::SymbolicLink(to.encode_utf16().collect());
        let names = [
            (path.clone(), Body::Directory(Box::default())),
            (format!("{path}\\Global"), link("\\BaseNamedObjects")),
            (format!("{path}\\Local"), link(&path)),
            (format!("{path}\\Session"), link("\\Sessions\\BNOLINKS")),
            (format!("{path}\\RPC Control"), Body::Directory(Box::default())),
        ];
        if self.ob.find(&path).is_some() {
            return;
        }
        for (path, body) in names {
            let Some(id) = self.ob.create_at(&path, body) else { return };
            self.protect(id, &sddl);
        }
    }

    fn protect(&mut self, id: ObjectId, sddl: &str) {
        let mapping = self.ob.type_of(id).and_then(|kind| self.ob.type_info(kind)).map(|info| info.mapping);
        let (Some(mapping), Ok(mut security)) = (mapping, SecurityDescriptor::from_sddl(sddl)) else { return };
        if let Some(dacl) = &mut security.dacl {
            dacl.map_generic(&mapping);
        }
        if let Some(object) = self.ob.get_mut(id) {
            object.security = Some(Arc::new(security));
        }
    }

    /// A token of an AppContainer was deleted: with the package's last one the handles that were kept for it are closed.
    pub(crate) fn package_left(&mut self, token: &Token) {
        let Some(package) = token.lowbox.as_ref().map(|lowbox| lowbox.package) else { return };
        let same = |other: &Token| {
            other.session == token.session && other.lowbox.as_ref().is_some_and(|lowbox| lowbox.package == package)
        };
        if self.ob.iter().any(|(_, object)| matches!(&object.body, Body::Token(other) if same(other))) {
            return;
        }
        for handle in self.se.take_package_handles(token.session, package) {
            let closed = kernel_key(handle).and_then(|key| self.ob.kernel_handles.remove(key));
            closed.into_iter().for_each(|closed| self.ob.handle_closed(closed.entry.object, closed.cached));
        }
    }
}
