//! Which derivative is asked for, and what a request for it is made of.

/// Which derivative is asked for. Decides the names of a request's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Question {
    Jacobian,
    Jvp,
    Vjp,
}

impl Question {
    /// The names of a request's path lists: inputs, outputs.
    pub fn lists(self) -> (&'static str, &'static str) {
        let (wrt, of, _) = self.fields();
        (wrt, of)
    }

    /// The fields of a request: inputs by path, outputs by path, vector.
    pub(super) fn fields(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Question::Jacobian => ("jac_inputs", "jac_outputs", None),
            Question::Jvp => ("jvp_inputs", "jvp_outputs", Some("tangent_vector")),
            Question::Vjp => ("vjp_inputs", "vjp_outputs", Some("cotangent_vector")),
        }
    }
}

/// What a request without a list of paths means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// All differentiable ones, as it is convenient at a terminal.
    Optional,
    /// A mistake, as the Tesseract protocol has it.
    Required,
}
