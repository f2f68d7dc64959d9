//! Procedures: scalar functions that do something to a store, by the session that calls them.

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;

use crate::error::Result;
use crate::ffi::{ClientContext, ScalarCall, ScalarFunction, ScalarOutput, Signature, TypeId};
use crate::sql::session::Session;

/// A procedure. NULL arguments reach it.
pub trait Procedure: Copy + Send + Sync + 'static {
    /// As it is called in SQL.
    const NAME: &'static str;
    /// BIGINT or VARCHAR.
    const RETURNS: TypeId;

    /// Its overloads.
    fn signatures(self) -> Vec<Signature>;

    /// One call: each argument is an array of one row, with its field.
    fn call(self, session: &Session, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput>;
}

impl<P: Procedure> ScalarFunction for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn signatures(&self) -> Vec<Signature> {
        Procedure::signatures(*self)
    }

    fn returns(&self) -> TypeId {
        P::RETURNS
    }

    fn open(&self, context: &ClientContext) -> Result<Box<dyn ScalarCall>> {
        Ok(Box::new(Run { procedure: *self, session: Session::read(context) }))
    }
}

/// A procedure in the session that runs it.
struct Run<P> {
    procedure: P,
    session: Session,
}

impl<P: Procedure> ScalarCall for Run<P> {
    fn call(&self, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput> {
        self.procedure.call(&self.session, arguments)
    }
}
