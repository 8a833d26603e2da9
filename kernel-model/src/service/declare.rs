//! Declaring a service: one plain function, and one row that names it.

use super::args::{Args, FromRaw};
use super::outcome::NtResult;
use crate::cx::Cx;

/// How much of a service there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All that Windows documents, as far as the components it rests on exist.
    Full,
    /// What is missing, in words.
    Partial(&'static str),
    /// Nobody wrote it: it answers `STATUS_NOT_IMPLEMENTED`.
    None,
}

impl Support {
    /// The level in one word.
    pub const fn level(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial(_) => "partial",
            Self::None => "none",
        }
    }

    /// What is missing.
    pub const fn gap(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Partial(gap) => gap,
            Self::None => "not written yet: answers STATUS_NOT_IMPLEMENTED",
        }
    }
}

/// A service with its arguments still raw.
pub type RawService = fn(&mut Cx<'_>, &Args) -> NtResult;

/// A declared service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The NT name.
    pub name: &'static str,
    /// How much of it there is.
    pub support: Support,
    /// The function.
    pub run: RawService,
    /// How many arguments the function takes.
    pub arg_count: usize,
}

/// A plain function with typed arguments that can serve as a service. `Signature` only tells the
/// implementations for different argument counts apart.
pub trait ServiceFn<Signature> {
    /// The number of arguments.
    const ARGS: usize;
    /// Calls it.
    fn call(&self, cx: &mut Cx<'_>, args: &Args) -> NtResult;
}

macro_rules! service_fn {
    ($count:expr; $($ty:ident $index:expr),*) => {
        impl<Function, $($ty),*> ServiceFn<($($ty,)*)> for Function
        where
            Function: Fn(&mut Cx<'_>, $($ty),*) -> NtResult,
            $($ty: FromRaw),*
        {
            const ARGS: usize = $count;
            #[inline]
            fn call(&self, cx: &mut Cx<'_>, _args: &Args) -> NtResult {
                self(cx, $($ty::from_raw(_args.get($index))),*)
            }
        }
    };
}
service_fn!(0;);
service_fn!(1; A 0);
service_fn!(2; A 0, B 1);
service_fn!(3; A 0, B 1, C 2);
service_fn!(4; A 0, B 1, C 2, D 3);
service_fn!(5; A 0, B 1, C 2, D 3, E 4);
service_fn!(6; A 0, B 1, C 2, D 3, E 4, F 5);
service_fn!(7; A 0, B 1, C 2, D 3, E 4, F 5, G 6);
service_fn!(8; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
service_fn!(9; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
service_fn!(10; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
service_fn!(11; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
service_fn!(12; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
service_fn!(14; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
service_fn!(13; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
service_fn!(16; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15);
service_fn!(17; A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15, Q 16);

/// The number of arguments of a service function.
pub const fn arity<Signature, F: ServiceFn<Signature>>(_: &F) -> usize {
    F::ARGS
}

/// The row of one service: `service!(NtClose => nt_close, Support::Full)`. The name must be an NT service,
/// and the function must take as many arguments as the signature data say; both are checked here, at
/// compile time.
macro_rules! service {
    ($name:ident => $function:path, $support:expr) => {{
        const ARGS: usize = $crate::service::arity(&$function);
        const _: () = assert!(ARGS == guest::services::arity::$name, "the argument count is not the signature's");
        $crate::service::Service {
            name: stringify!($name),
            support: $support,
            run: |cx, args| $crate::service::ServiceFn::call(&$function, cx, args),
            arg_count: ARGS,
        }
    }};
}
pub(crate) use service;
