//! Which derivative is asked for, and what a request for it is made of.

/// Which derivative is asked for. Decides the names of a request's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Question {
    Jacobian,
    Jvp,
    Vjp,
    Hessian,
    Hvp,
}

impl Question {
    /// All of them.
    pub const ALL: [Question; 5] = [Question::Jacobian, Question::Jvp, Question::Vjp, Question::Hessian, Question::Hvp];

    /// Whether it is about second derivatives: of one number, so that outputs may come with weights.
    pub fn is_second(self) -> bool {
        matches!(self, Question::Hessian | Question::Hvp)
    }

    /// Whether its vectors are tangents, and not cotangents.
    pub(super) fn has_tangents(self) -> bool {
        matches!(self, Question::Jvp | Question::Hvp)
    }

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
            Question::Vjp => ("vjp_inputs", "vjp_outputs", Some(WEIGHTS)),
            Question::Hessian => ("hess_inputs", "hess_output", None),
            Question::Hvp => ("hvp_inputs", "hvp_outputs", Some("tangent_vector")),
        }
    }
}

/// The field of cotangents: a VJP's, or the weights of the outputs that second derivatives are of.
pub(super) const WEIGHTS: &str = "cotangent_vector";

/// What a request without a list of paths means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// All differentiable ones, as it is convenient at a terminal.
    Optional,
    /// A mistake, as the Tesseract protocol has it.
    Required,
}
