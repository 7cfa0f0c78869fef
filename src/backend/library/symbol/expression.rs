//! Whole numbers that a signature works out from lengths: `n`, `2*n`, `n*(n+1)/2`, `max(1, m)`.

use std::fmt;

/// An expression; a name is the number of a variable of its prototype.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression<N = usize> {
    Number(i64),
    Name(N),
    Binary(Operator, Box<Expression<N>>, Box<Expression<N>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Max,
    Min,
}

impl<N> Expression<N> {
    /// The same with its names resolved.
    pub(super) fn resolve<M>(&self, resolve: &mut impl FnMut(&N) -> Option<M>) -> Option<Expression<M>> {
        Some(match self {
            Expression::Number(number) => Expression::Number(*number),
            Expression::Name(name) => Expression::Name(resolve(name)?),
            Expression::Binary(operator, left, right) => {
                // Both sides, so that whatever is wrong on either is found.
                let (left, right) = (left.resolve(resolve), right.resolve(resolve));
                Expression::Binary(*operator, Box::new(left?), Box::new(right?))
            }
        })
    }

    /// Calls for every name in it.
    pub(super) fn names(&self, found: &mut impl FnMut(&N)) {
        match self {
            Expression::Number(_) => {}
            Expression::Name(name) => found(name),
            Expression::Binary(_, left, right) => {
                left.names(found);
                right.names(found);
            }
        }
    }
}

impl Expression {
    /// Its value; `None` where that is not known, is no int64, or divides by zero.
    pub(super) fn evaluate(&self, value: &impl Fn(usize) -> Option<i64>) -> Option<i64> {
        match self {
            Expression::Number(number) => Some(*number),
            Expression::Name(name) => value(*name),
            Expression::Binary(operator, left, right) => {
                let (left, right) = (left.evaluate(value)?, right.evaluate(value)?);
                match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Divide => left.checked_div(right),
                    Operator::Max => Some(left.max(right)),
                    Operator::Min => Some(left.min(right)),
                }
            }
        }
    }

    /// As it is written, with the names of its variables.
    pub(super) fn text(&self, name: &impl Fn(usize) -> String) -> String {
        self.written(name, 0)
    }

    fn written(&self, name: &impl Fn(usize) -> String, outside: u8) -> String {
        match self {
            Expression::Number(number) => number.to_string(),
            Expression::Name(variable) => name(*variable),
            Expression::Binary(operator @ (Operator::Max | Operator::Min), left, right) => {
                format!("{operator}({}, {})", left.written(name, 0), right.written(name, 0))
            }
            Expression::Binary(operator, left, right) => {
                let strength = if matches!(operator, Operator::Add | Operator::Subtract) { 1 } else { 2 };
                let text = format!("{}{operator}{}", left.written(name, strength), right.written(name, strength + 1));
                if strength < outside { format!("({text})") } else { text }
            }
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Max => "max",
            Operator::Min => "min",
        })
    }
}
