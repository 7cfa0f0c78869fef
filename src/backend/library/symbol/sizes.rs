//! The lengths of one evaluation: what the inputs' shapes and whole numbers make of a prototype's dimensions.

use super::expression::Expression;
use super::prototype::{Argument, Fixed, Origin, Prototype, Role};
use crate::model::ModelError;
use crate::tree::{Path, Segment, element_count};

/// Every variable's value and every argument's shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    pub(super) variables: Vec<Option<i64>>,
    /// An argument that has no shape yet, since a whole number that it hangs on is not known, has none.
    pub(super) shapes: Vec<Option<Box<[usize]>>>,
}

/// What is known of the inputs.
pub(super) trait Known {
    /// The shape of an argument that is an input.
    fn shape(&self, argument: usize) -> Option<&[usize]>;
    /// The value of one that is a whole number, if values are known.
    fn number(&self, argument: usize) -> Option<i64>;
}

impl Prototype {
    /// Works out the lengths, and holds the inputs' shapes against them.
    pub(super) fn sizes(&self, known: &impl Known) -> Result<Sizes, ModelError> {
        let mut sizes = Sizes { variables: vec![None; self.variables.len()], shapes: Vec::new() };
        for (value, variable) in sizes.variables.iter_mut().zip(&self.variables) {
            *value = match &variable.origin {
                Origin::Input(argument) => known.number(*argument),
                Origin::Length { argument, axis } => {
                    let shape = known.shape(*argument).ok_or_else(|| self.absent(*argument))?;
                    shape.get(*axis).and_then(|&length| i64::try_from(length).ok())
                }
                Origin::Constant(_) => None,
            };
        }
        for variable in 0..self.variables.len() {
            if let Origin::Constant(constant) = &self.variables[variable].origin {
                let value = self.unfold(constant).evaluate(&|name| sizes.variables[name]);
                sizes.variables[variable] = value;
            }
        }
        for (index, argument) in self.arguments.iter().enumerate() {
            let shape = self.shape(argument, &sizes)?;
            if argument.role.is_input() {
                let has = known.shape(index).ok_or_else(|| self.absent(index))?;
                if shape.as_ref().is_some_and(|wants| **wants != *has) || has.len() != argument.dims.len() {
                    return Err(self.refused_shape(argument, &sizes, has));
                }
                sizes.shapes.push(Some(has.into()));
            } else {
                sizes.shapes.push(shape);
            }
        }
        Ok(sizes)
    }

    fn shape(&self, argument: &Argument, sizes: &Sizes) -> Result<Option<Box<[usize]>>, ModelError> {
        let mut shape = Vec::with_capacity(argument.dims.len());
        for dim in &argument.dims {
            let mut open = false;
            self.unfold(dim).names(&mut |variable| open |= sizes.variables[*variable].is_none());
            if open {
                return Ok(None);
            }
            let length = self.evaluated(&self.unfold(dim), sizes)?;
            shape.push(usize::try_from(length).map_err(|_| {
                let name = &argument.name;
                ModelError::refused(format!("{name}{} would have the length {length}", self.shape_text(argument)))
            })?);
        }
        if element_count(&shape).is_none() {
            let name = &argument.name;
            return Err(ModelError::refused(format!(
                "{name}{} would be of shape {shape:?}, which is more than memory can hold",
                self.shape_text(argument)
            )));
        }
        Ok(Some(shape.into()))
    }

    fn evaluated(&self, expression: &Expression, sizes: &Sizes) -> Result<i64, ModelError> {
        expression.evaluate(&|variable| sizes.variables[variable]).ok_or_else(|| {
            let text = self.text(expression);
            ModelError::refused(format!("{text} has no value that can be held{}", self.values(&[expression], sizes)))
        })
    }

    /// The number that an argument is which is no input: a length or a constant.
    pub(super) fn number(&self, argument: &Argument, sizes: &Sizes) -> Result<Option<i64>, ModelError> {
        match &argument.role {
            Role::Length(variable) => Ok(sizes.variables[*variable]),
            Role::Fixed(Fixed::Integer(expression)) => self.evaluated(expression, sizes).map(Some),
            _ => Ok(None),
        }
    }

    fn absent(&self, argument: usize) -> ModelError {
        ModelError::refused(format!("the input {} is absent", self.arguments[argument].name))
    }

    fn refused_shape(&self, argument: &Argument, sizes: &Sizes, has: &[usize]) -> ModelError {
        let dims: Vec<&Expression> = argument.dims.iter().collect();
        ModelError::refused(format!(
            "{} is of shape {has:?}, and the function takes {0}{}{}",
            argument.name,
            self.shape_text(argument),
            self.values(&dims, sizes)
        ))
    }

    /// `, where n is 3 and m is 4`.
    fn values(&self, expressions: &[&Expression], sizes: &Sizes) -> String {
        let mut values: Vec<String> = Vec::new();
        for expression in expressions {
            expression.names(&mut |variable| {
                let name = &self.variables[*variable].name;
                let text = sizes.variables[*variable].map(|value| format!("{name} is {value}"));
                values.extend(text.filter(|text| !values.contains(text)));
            });
        }
        if values.is_empty() { String::new() } else { format!(", where {}", values.join(" and ")) }
    }

    /// Whether shapes of inputs are enough for those of the outputs.
    pub(super) fn shapes_suffice(&self) -> bool {
        let outputs = self.arguments.iter().filter(|argument| argument.role.output().is_some());
        let mut suffice = true;
        for dim in outputs.flat_map(|argument| &argument.dims) {
            self.unfold(dim).names(&mut |variable| {
                suffice &= matches!(self.variables[*variable].origin, Origin::Length { .. });
            });
        }
        suffice
    }
}

/// The path of an input or output.
pub(super) fn path(name: &str) -> Path {
    let mut path = Path::root();
    path.push(Segment::Field(name.to_owned()));
    path
}
