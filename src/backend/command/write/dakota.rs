//! The parameters file that Dakota writes for a program it runs, in its standard form or that of APREPRO.

use super::target::{Target, Value};
use super::text::{Field, Piece, Text};
use crate::diff::Decimal;
use crate::manifest::command::DakotaVariables;
use crate::schema::Node;
use crate::tree::{Pattern, Tree};

/// 17 digits, which are all that a float64 has.
const FORMAT: &str = "%.16e";
/// The longest of such numbers, -1.2345678901234567e-100.
const WIDEST: u16 = 24;

/// What a program is asked for, in the active set vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The values of the responses.
    #[default]
    Values,
    /// Their gradients.
    Gradients,
}

/// The variables and responses of a parameters file.
#[derive(Debug)]
pub(super) struct Parameters {
    place: String,
    variables: Vec<(String, Target)>,
    responses: Vec<String>,
    aprepro: bool,
    decimal: Decimal,
}

impl Parameters {
    pub(super) fn parse(to: &str, dakota: &DakotaVariables) -> Result<Parameters, String> {
        let mut variables = Vec::new();
        let mut problems = Vec::new();
        for (descriptor, input) in &dakota.variables {
            match Target::parse(input) {
                Ok(target) => variables.push((descriptor.clone(), target)),
                Err(reason) => problems.push(format!("{to}: {descriptor}: {reason}")),
            }
        }
        for label in dakota.variables.keys().chain(&dakota.responses) {
            if label.is_empty() || label.contains(|c: char| c.is_whitespace() || "{}=".contains(c)) {
                problems.push(format!("{to}: '{label}' cannot be a descriptor: blanks, braces and = end one"));
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let responses = dakota.responses.clone();
        Ok(Parameters {
            place: to.to_owned(),
            variables,
            responses,
            aprepro: dakota.aprepro,
            decimal: Decimal::parse(FORMAT)?,
        })
    }

    pub(super) fn check(&self, inputs: &Node) -> Vec<String> {
        let said = self.variables.iter().filter_map(|(descriptor, target)| {
            let reason = target.check(inputs).err()?;
            Some(format!("{}: {descriptor}: {reason}", self.place))
        });
        said.collect()
    }

    pub(super) fn mentions(&self, pattern: &Pattern) -> bool {
        self.variables.iter().any(|(_, target)| pattern.matches(target.path()))
    }

    pub(super) fn lay_out(&self, inputs: &Tree, asked: Asked) -> Result<Text, String> {
        let mut text = Text::default();
        let mut problems = Vec::new();
        self.entry(&mut text, "DAKOTA_VARS", "variables", self.variables.len());
        // Derivatives are taken of what varies continuously.
        let mut continuous = Vec::new();
        for (i, (descriptor, target)) in self.variables.iter().enumerate() {
            match target.single(inputs) {
                Ok(Value::Number(path, element)) => {
                    continuous.push((i + 1, descriptor));
                    let decimal = if self.aprepro { self.decimal } else { self.decimal.in_columns(WIDEST) };
                    let field = Field { path, element, decimal };
                    self.line(&mut text, descriptor, descriptor, Piece::Field(field));
                }
                Ok(Value::Fixed { plain, json }) => {
                    let value = if self.aprepro { json } else { plain };
                    self.line(&mut text, descriptor, descriptor, Piece::Literal(value.into_bytes()));
                }
                Err(reason) => problems.push(format!("{}: {descriptor}: {reason}", self.place)),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let code = match asked {
            Asked::Values => 1,
            Asked::Gradients => 2,
        };
        self.entry(&mut text, "DAKOTA_FNS", "functions", self.responses.len());
        for (i, response) in self.responses.iter().enumerate() {
            let label = format!("ASV_{}:{response}", i + 1);
            self.entry(&mut text, &label, &label, code);
        }
        self.entry(&mut text, "DAKOTA_DER_VARS", "derivative_variables", continuous.len());
        for (i, (variable, descriptor)) in continuous.into_iter().enumerate() {
            let label = format!("DVV_{}:{descriptor}", i + 1);
            self.entry(&mut text, &label, &label, variable);
        }
        self.entry(&mut text, "DAKOTA_AN_COMPS", "analysis_components", 0);
        self.entry(&mut text, "DAKOTA_EVAL_ID", "eval_id", 1);
        Ok(text)
    }

    fn entry(&self, text: &mut Text, aprepro: &str, standard: &str, value: usize) {
        self.line(text, aprepro, standard, Piece::Literal(value.to_string().into_bytes()));
    }

    /// A line of either form, under the tag that it has there.
    fn line(&self, text: &mut Text, aprepro: &str, standard: &str, value: Piece) {
        if self.aprepro {
            text.literal(format!("                    {{ {aprepro} = ").as_bytes());
            text.push(value);
            text.literal(b" }\n");
        } else {
            // Values end in the same column.
            let width = if let Piece::Literal(value) = &value { value.len() } else { WIDEST.into() };
            text.literal(&vec![b' '; 42usize.saturating_sub(width)]);
            text.push(value);
            text.literal(format!(" {standard}\n").as_bytes());
        }
    }
}
