//! Gradients that a program writes itself, as Dakota has them: asked for in its parameters, found in its results.

use super::adapter::{Origin, Output};
use super::read;
use super::write::Text;
use crate::manifest::command::{Command, Reading, Writing};
use crate::schema::{Side, Signature};
use crate::tree::{Array, Path, Tree};

/// Gradients are no larger than this, in numbers.
const MOST: usize = 1 << 27;

/// Where gradients are found.
pub(super) struct Dakota {
    /// Which of the adapter's texts are the parameters.
    pub(super) parameters: usize,
    /// Where the results are, among the adapter's origins.
    pub(super) results: usize,
    /// Labels of the responses, in order.
    responses: Vec<String>,
    /// Outputs and the responses that they consist of.
    outputs: Vec<(Path, Vec<String>)>,
}

impl Dakota {
    /// `None` where the program writes no gradients.
    pub(super) fn new(
        command: &Command,
        reads: &[Output],
        origins: &[(Origin, Vec<usize>)],
        signature: &Signature,
    ) -> Result<Option<Dakota>, String> {
        let written = command.write.iter().enumerate().find_map(|(at, write)| match &write.writing {
            Writing::Dakota(parameters) if parameters.dakota.gradients => Some((at, &parameters.dakota)),
            _ => None,
        });
        let Some((parameters, variables)) = written else { return Ok(None) };
        let mut outputs = Vec::new();
        for (key, read) in &command.read {
            if let (Reading::Dakota(results), Ok(path)) = (&read.reading, key.parse::<Path>()) {
                outputs.push((path, results.dakota.clone()));
            }
        }
        let all = signature.differentiable(Side::Output);
        if let Some((pattern, _)) = all.iter().find(|(leaf, _)| !outputs.iter().any(|(path, _)| leaf.matches(path))) {
            return Err(format!("the output {pattern} is no response of Dakota's, so that it has no gradient there"));
        }
        let is_result = |output: &usize| outputs.iter().any(|(path, _)| *path == reads[*output].path);
        let mut files = (0..origins.len()).filter(|&origin| origins[origin].1.iter().any(is_result));
        match (files.next(), files.next()) {
            (Some(results), None) => {
                Ok(Some(Dakota { parameters, results, responses: variables.responses.clone(), outputs }))
            }
            _ => Err("the responses of Dakota must be read from one file".to_owned()),
        }
    }

    /// The blocks of the Jacobian that a results file has, output by output.
    pub(super) fn blocks(
        &self,
        results: &[u8],
        parameters: &Text,
        inputs: &Tree,
        wrt: &[Path],
        of: &[Path],
        shape: impl Fn(&Path, usize) -> Result<Vec<usize>, String>,
    ) -> Result<Vec<Array>, String> {
        let found = read::gradients(results, MOST)?;
        let variables: Vec<_> = parameters.fields().map(|field| (&field.path, field.element)).collect();
        if (found.rows, found.columns) != (self.responses.len(), variables.len()) {
            return Err(format!(
                "it has {} gradients of {} numbers where {} responses depend on {} variables",
                found.rows,
                found.columns,
                self.responses.len(),
                variables.len()
            ));
        }
        let labels = if found.labels.len() == found.rows { &found.labels } else { &self.responses };
        let row = |label: &String| {
            let row = labels.iter().position(|known| known == label);
            row.ok_or_else(|| format!("it has no gradient of {label}, but of {}", labels.join(", ")))
        };
        let mut blocks = Vec::with_capacity(of.len() * wrt.len());
        for output in of {
            let Some((_, responses)) = self.outputs.iter().find(|(path, _)| path == output) else {
                return Err(format!("the output {output} is no response of Dakota's"));
            };
            let rows = responses.iter().map(row).collect::<Result<Vec<_>, _>>()?;
            for input in wrt {
                let array = inputs.leaf(input).ok_or_else(|| format!("there is no input {input}"))?;
                let column = |element| {
                    let column = variables.iter().position(|known| *known == (input, element));
                    column.ok_or_else(|| format!("element {element} of {input} is no variable of Dakota's"))
                };
                let columns = (0..array.coordinates()).map(column).collect::<Result<Vec<_>, _>>()?;
                let width = found.columns;
                let entries = rows.iter().flat_map(|row| columns.iter().map(move |column| row * width + column));
                let values = entries.map(|at| found.values[at]).collect();
                let shape = [shape(output, rows.len())?.as_slice(), array.shape()].concat();
                blocks.push(Array::new(&shape, values));
            }
        }
        Ok(blocks)
    }
}
