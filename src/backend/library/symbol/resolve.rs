//! From arguments as they are written to where each comes from: what is an input, what the length of
//! one, what a constant.

use super::cursor::Named;
use super::expression::Expression;
use super::lexer::Mistake;
use super::parse::{Direction, Value, Written, WrittenArgument, parse};
use super::prototype::{Argument, Fixed, Language, MAX_RANK, Origin, Prototype, Returned, Role, Variable};
use crate::tree::Kind;

impl Prototype {
    /// Reads the signature of `function`, or says everything that is wrong with it.
    pub(super) fn read(text: &str, function: &str) -> Result<Prototype, String> {
        let mut mistakes = Vec::new();
        let prototype = parse(text, function, &mut mistakes).and_then(|written| resolve(&written, &mut mistakes));
        match prototype {
            Some(prototype) if mistakes.is_empty() => Ok(prototype),
            _ => Err(shown(text, mistakes)),
        }
    }
}

/// The text, and below it a caret and words for each mistake.
fn shown(text: &str, mut mistakes: Vec<Mistake>) -> String {
    mistakes.sort_by_key(|mistake| mistake.column);
    mistakes.dedup();
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    let mut lines = format!("symbol.call:\n  {}", text.chars().map(blank).collect::<String>());
    for Mistake { column, message } in mistakes {
        lines += &format!("\n  {:>column$} column {column}: {message}", '^');
    }
    lines
}

/// A variable whose origin may not be known yet.
struct Draft {
    name: String,
    column: usize,
    origin: Option<Origin>,
    /// Whether it may be taken from the length of an array.
    open: bool,
}

fn resolve(written: &Written, mistakes: &mut Vec<Mistake>) -> Option<Prototype> {
    let before = mistakes.len();
    let mut fail = |column: usize, message: String| mistakes.push(Mistake { column, message });
    for argument in &written.arguments {
        hold(argument, &mut fail);
    }
    names_differ(written, &mut fail);
    let mut drafts = drafts(written, &mut fail);
    let same = |a: &str, b: &str| same(written.language, a, b);
    let find = |drafts: &[Draft], name: &str| drafts.iter().position(|draft| same(&draft.name, name));
    // Constants first, since lengths may be named by them.
    for argument in &written.arguments {
        if let (Some(Value::Integer(expression)), Some(variable)) = (&argument.value, find(&drafts, &argument.name)) {
            let resolved = expression.resolve(&mut |(name, _): &Named| find(&drafts, name));
            drafts[variable].origin = resolved.map(Origin::Constant);
        }
    }
    for (variable, draft) in drafts.iter().enumerate() {
        if is_circular(&drafts, variable, &mut Vec::new()) {
            fail(draft.column, format!("{} depends on itself", draft.name));
            return None;
        }
    }
    let arguments: Vec<Vec<Expression>> = written
        .arguments
        .iter()
        .map(|argument| {
            let dims = argument.dims.iter();
            dims.filter_map(|dim| dim.resolve(&mut |(name, _): &Named| find(&drafts, name))).collect()
        })
        .collect();
    for (index, (argument, dims)) in written.arguments.iter().zip(&arguments).enumerate() {
        if !is_input(argument) {
            continue;
        }
        for (axis, dim) in dims.iter().enumerate() {
            let mut dim = dim;
            while let Expression::Name(variable) = dim
                && let Some(Origin::Constant(constant)) = &drafts[*variable].origin
            {
                dim = constant;
            }
            if let Expression::Name(variable) = *dim
                && drafts[variable].open
            {
                drafts[variable].open = false;
                drafts[variable].origin = Some(Origin::Length { argument: index, axis });
            }
        }
    }
    for draft in &drafts {
        // An argument that could not be read may have been the one.
        if draft.origin.is_none() && before == 0 {
            let name = &draft.name;
            fail(draft.column, format!("{name} is neither an argument nor the length of an input array"));
        }
    }
    if !mistakes.is_empty() {
        return None;
    }
    let arguments = written.arguments.iter().zip(arguments);
    let arguments = arguments
        .map(|(argument, dims)| Argument {
            name: argument.name.clone(),
            dtype: argument.dtype,
            dims,
            by_value: argument.by_value,
            role: role(argument, &drafts, |name| find(&drafts, name)),
        })
        .collect();
    let result = written.result.as_ref();
    let result = result.map(|result| Returned { dtype: result.dtype, output: result.output.clone() });
    let variables = drafts
        .into_iter()
        .map(|draft| Some(Variable { name: draft.name, origin: draft.origin? }))
        .collect::<Option<Vec<Variable>>>()?;
    Some(Prototype { language: written.language, arguments, result, variables })
}

fn same(language: Language, a: &str, b: &str) -> bool {
    if language == Language::C { a == b } else { a.eq_ignore_ascii_case(b) }
}

fn is_input(argument: &WrittenArgument) -> bool {
    let marked = argument.work || argument.status || argument.value.is_some();
    match argument.direction {
        Some(Direction::In | Direction::InOut) => true,
        Some(Direction::Out) => false,
        None => !marked,
    }
}

/// What is wrong with an argument by itself.
fn hold(argument: &WrittenArgument, fail: &mut impl FnMut(usize, String)) {
    let WrittenArgument { column, name, dtype, dims, by_value, direction, work, status, output, value } = argument;
    let mut fail = |message: String| fail(*column, message);
    let out = matches!(direction, Some(Direction::Out | Direction::InOut));
    if *by_value && (out || *work || *status) {
        fail(format!("{name} is handed over by value: what comes out needs a pointer, *{name}"));
    }
    if *by_value && dtype.is_complex() {
        fail(format!("complex numbers are not handed over by value: *{name}, if it is a pointer"));
    }
    if *status && (dtype.kind() != Kind::Integer || !dims.is_empty() || *work) {
        fail(format!("{name} is a status: one whole number that the function writes"));
    }
    if *status && matches!(direction, Some(Direction::In | Direction::InOut)) {
        fail(format!("{name} is a status, and so comes out: leave out `in`"));
    }
    if *work && out {
        fail(format!("{name} is memory whose contents nobody wants, or an output, not both"));
    }
    if output.is_some() && !out {
        fail(format!("{name} is no output: `as` names outputs"));
    }
    let starts = *work || *status || *direction == Some(Direction::Out);
    match value {
        None => {}
        Some(_) if starts && matches!(direction, Some(Direction::In)) => {
            fail(format!("{name} is an input: it has no value here"));
        }
        Some(Value::Integer(Expression::Number(0)) | Value::Real(0.0)) if starts => {}
        Some(_) if starts => fail(format!("{name} can start as zeros, = 0, or as it is")),
        Some(_) if direction.is_some() => fail(format!("{name} is an input or has a value, not both")),
        Some(Value::Null | Value::Text(_)) => {}
        Some(_) if !dims.is_empty() => fail(format!("{name} is an array: a value can be given to a number")),
        Some(Value::Integer(_)) if dtype.kind() > Kind::Integer => {
            fail(format!("{name} is of type {dtype}: no whole number can be given to it"));
        }
        Some(_) => {}
    }
    if dims.iter().any(|dim| matches!(dim, Expression::Number(length) if *length < 0)) {
        fail(format!("{name} has a length below zero"));
    }
    if dims.len() > MAX_RANK {
        fail(format!("{name} has more than {MAX_RANK} dimensions"));
    }
}

/// Whether inputs have different names, outputs too, and there are any of these.
fn names_differ(written: &Written, fail: &mut impl FnMut(usize, String)) {
    let mut outputs: Vec<(&str, usize)> = Vec::new();
    for (index, argument) in written.arguments.iter().enumerate() {
        if written.arguments[..index].iter().any(|other| same(written.language, &other.name, &argument.name)) {
            fail(argument.column, format!("there are two arguments {}", argument.name));
        }
        let out = matches!(argument.direction, Some(Direction::Out | Direction::InOut));
        if out && !argument.status {
            outputs.push((argument.output.as_deref().unwrap_or(&argument.name), argument.column));
        }
    }
    if let Some(result) = &written.result
        && let Some(output) = &result.output
    {
        outputs.push((output, result.column));
    }
    for (index, (name, column)) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|(other, _)| other == name) {
            let message = format!("there are two outputs {name}: name one as in y = double(...) or out double *y as z");
            fail(*column, message);
        }
    }
    if outputs.is_empty() {
        fail(1, "nothing comes out of it: mark what it writes by `out` or `inout`, or say what it returns".to_owned());
    }
    let statuses = written.arguments.iter().filter(|argument| argument.status).map(|argument| argument.column);
    let returned = written.result.iter().filter(|result| result.status).map(|result| result.column);
    if let Some(second) = returned.chain(statuses).nth(1) {
        fail(second, "there is a status already".to_owned());
    }
}

/// A variable for every argument that is a whole number known before the call, and for every other name of a length.
fn drafts(written: &Written, fail: &mut impl FnMut(usize, String)) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (index, argument) in written.arguments.iter().enumerate() {
        let number = argument.dims.is_empty() && argument.dtype.kind() == Kind::Integer;
        let constant = matches!(argument.value, Some(Value::Integer(_)));
        if number
            && (is_input(argument) || (constant && !argument.work && !argument.status && argument.direction.is_none()))
        {
            drafts.push(Draft {
                name: argument.name.clone(),
                column: argument.column,
                origin: is_input(argument).then_some(Origin::Input(index)),
                open: is_input(argument) && argument.direction.is_none() && !argument.work,
            });
        }
    }
    for argument in &written.arguments {
        let mut names = |(name, column): &Named| {
            if drafts.iter().any(|draft| same(written.language, &draft.name, name)) {
                return;
            }
            let known = written.arguments.iter().any(|other| same(written.language, &other.name, name));
            if known {
                fail(*column, format!("{name} is no whole number that is known before the call"));
            }
            let origin = known.then_some(Origin::Constant(Expression::Number(0)));
            drafts.push(Draft { name: name.clone(), column: *column, origin, open: !known });
        };
        argument.dims.iter().for_each(|dim| dim.names(&mut names));
        if let Some(Value::Integer(expression)) = &argument.value {
            expression.names(&mut names);
        }
    }
    drafts
}

fn is_circular(drafts: &[Draft], variable: usize, above: &mut Vec<usize>) -> bool {
    if above.contains(&variable) {
        return true;
    }
    let Some(Origin::Constant(expression)) = &drafts[variable].origin else { return false };
    above.push(variable);
    let mut circular = false;
    expression.names(&mut |name| circular = circular || is_circular(drafts, *name, above));
    above.pop();
    circular
}

fn role(argument: &WrittenArgument, drafts: &[Draft], find: impl Fn(&str) -> Option<usize>) -> Role {
    let output = || argument.output.clone().unwrap_or_else(|| argument.name.clone());
    let zeroed = argument.value.is_some();
    if argument.status {
        return Role::Status { zeroed };
    }
    match (argument.direction, argument.work, &argument.value) {
        (Some(Direction::In), true, _) => Role::Spoiled,
        (_, true, _) => Role::Work { zeroed },
        (Some(Direction::Out), ..) => Role::Out { output: output(), zeroed },
        (Some(Direction::InOut), ..) => Role::InOut(output()),
        (_, _, Some(Value::Real(number))) => Role::Fixed(Fixed::Real(*number)),
        (_, _, Some(Value::Text(text))) => Role::Fixed(Fixed::Text(text.clone())),
        (_, _, Some(Value::Null)) => Role::Fixed(Fixed::Null),
        (_, _, Some(Value::Integer(_))) => {
            // A constant is a variable, so that it is worked out in one place.
            let variable = find(&argument.name).unwrap_or_default();
            match &drafts[variable].origin {
                Some(Origin::Constant(expression)) => Role::Fixed(Fixed::Integer(expression.clone())),
                _ => Role::In,
            }
        }
        _ => match find(&argument.name) {
            Some(variable) if matches!(drafts[variable].origin, Some(Origin::Length { .. })) => Role::Length(variable),
            _ => Role::In,
        },
    }
}
