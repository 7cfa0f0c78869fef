//! What a signature says: arguments, where each comes from, and what comes out.
//!
//! Pure data. How it is written is in `parse`, the schemas that follow in `schemas`, lengths in `sizes`.

use super::expression::Expression;
use crate::tree::DType;

/// The most dimensions of an array.
pub(super) const MAX_RANK: usize = 8;

/// A function as its signature describes it.
#[derive(Clone, Debug)]
pub(super) struct Prototype {
    pub(super) language: Language,
    pub(super) arguments: Vec<Argument>,
    pub(super) result: Option<Returned>,
    /// The whole numbers that lengths and constants are made of.
    pub(super) variables: Vec<Variable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Scalars by value unless they have a `*`, arrays by rows.
    C,
    /// Everything by reference, arrays by columns.
    Fortran,
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) dtype: DType,
    /// Its dimensions; none for a scalar.
    pub(super) dims: Vec<Expression>,
    pub(super) by_value: bool,
    pub(super) role: Role,
}

/// Where an argument comes from, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    /// An input, which the function only reads.
    In,
    /// An input that the function may overwrite with what nobody wants.
    Spoiled,
    /// An input, and an output of this name.
    InOut(String),
    /// An output of this name.
    Out { output: String, zeroed: bool },
    /// Memory for the function.
    Work { zeroed: bool },
    /// An output that must be 0, else the point failed.
    Status { zeroed: bool },
    /// The length of an input array, a variable.
    Length(usize),
    /// The same at every point.
    Fixed(Fixed),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fixed {
    Integer(Expression),
    Real(f64),
    /// Characters; Fortran hears their number after all other arguments.
    Text(Vec<u8>),
    Null,
}

/// What a function returns.
#[derive(Clone, Debug)]
pub(super) struct Returned {
    pub(super) dtype: DType,
    /// The output's name; none for a status.
    pub(super) output: Option<String>,
}

/// A whole number that is known before the function is called.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// The value of an argument that is an input.
    Input(usize),
    /// The length of an input array along an axis.
    Length { argument: usize, axis: usize },
    /// A constant of the signature.
    Constant(Expression),
}

impl Role {
    pub(super) fn is_input(&self) -> bool {
        matches!(self, Role::In | Role::Spoiled | Role::InOut(_))
    }

    /// The output that it is.
    pub(super) fn output(&self) -> Option<&str> {
        match self {
            Role::InOut(output) | Role::Out { output, .. } => Some(output),
            _ => None,
        }
    }
}

impl Argument {
    /// Whether its elements lie in another order than in JSON.
    pub(super) fn is_transposed(&self, language: Language) -> bool {
        language == Language::Fortran && self.dims.len() > 1
    }
}

impl Prototype {
    /// The argument that is the input of this name.
    pub(super) fn input(&self, name: &str) -> Option<usize> {
        self.arguments.iter().position(|argument| argument.role.is_input() && argument.name == name)
    }

    /// The slot that is the output of this name: an argument, or the result behind the last of them.
    pub(super) fn output(&self, name: &str) -> Option<usize> {
        let argument = self.arguments.iter().position(|argument| argument.role.output() == Some(name));
        let result = || self.result.as_ref()?.output.as_ref().filter(|output| *output == name);
        argument.or_else(|| result().map(|_| self.arguments.len()))
    }

    /// An expression as it is written.
    pub(super) fn text(&self, expression: &Expression) -> String {
        expression.text(&|variable| self.variables[variable].name.clone())
    }

    /// An expression with constants of the signature put in place of their names.
    pub(super) fn unfold(&self, expression: &Expression) -> Expression {
        match expression {
            Expression::Number(_) => expression.clone(),
            Expression::Name(variable) => match &self.variables[*variable].origin {
                Origin::Constant(constant) => self.unfold(constant),
                _ => expression.clone(),
            },
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.unfold(left), self.unfold(right));
                let whole = Expression::Binary(*operator, Box::new(left), Box::new(right));
                whole.evaluate(&|_| None).map_or(whole, Expression::Number)
            }
        }
    }

    /// The names and dimensions of an argument: `a(lda,n)`, `a[n][m]`.
    pub(super) fn shape_text(&self, argument: &Argument) -> String {
        let dims: Vec<String> = argument.dims.iter().map(|dim| self.text(dim)).collect();
        match self.language {
            _ if dims.is_empty() => String::new(),
            Language::C => dims.iter().map(|dim| format!("[{dim}]")).collect(),
            Language::Fortran => format!("({})", dims.join(",")),
        }
    }
}

/// The C type of a dtype.
pub(super) fn c_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Float64 => "double",
        DType::Float32 => "float",
        DType::Complex64 => "float complex",
        DType::Complex128 => "double complex",
        DType::Bool => "bool",
        DType::Int8 => "int8_t",
        DType::Int16 => "int16_t",
        DType::Int32 => "int",
        DType::Int64 => "int64_t",
        DType::Uint8 => "uint8_t",
        DType::Uint16 => "uint16_t",
        DType::Uint32 => "unsigned int",
        DType::Uint64 => "uint64_t",
        DType::Float16 => "_Float16",
    }
}

impl Prototype {
    /// The declaration in C.
    pub(super) fn declaration(&self, symbol: &str) -> String {
        let mut arguments: Vec<String> = self.arguments.iter().map(|argument| self.declared(argument)).collect();
        arguments.extend(self.hidden().map(|(name, _)| format!("size_t {name}_length")));
        let result = self.result.as_ref().map_or("void", |result| c_name(result.dtype));
        let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
        format!("{result} {symbol}({arguments})")
    }

    fn declared(&self, argument: &Argument) -> String {
        let Argument { name, dtype, by_value, role, .. } = argument;
        let name_of_type = match role {
            Role::Fixed(Fixed::Text(_)) => "char",
            Role::Fixed(Fixed::Null) => "void",
            _ => c_name(*dtype),
        };
        let reads = if matches!(role, Role::In | Role::Length(_) | Role::Fixed(_)) { "const " } else { "" };
        if *by_value { format!("{name_of_type} {name}") } else { format!("{reads}{name_of_type} *{name}") }
    }

    /// The lengths of Fortran's texts, which are handed over after all arguments.
    pub(super) fn hidden(&self) -> impl Iterator<Item = (&str, usize)> {
        let fortran = self.language == Language::Fortran;
        self.arguments.iter().filter(move |_| fortran).filter_map(|argument| match &argument.role {
            Role::Fixed(Fixed::Text(text)) => Some((argument.name.as_str(), text.len())),
            _ => None,
        })
    }

    /// Where each argument comes from and what becomes of it, and what the result is: a name and words.
    pub(super) fn origins(&self) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> =
            self.arguments.iter().map(|argument| (argument.name.clone(), self.origin(argument))).collect();
        if let Some(result) = &self.result {
            rows.push(match &result.output {
                Some(output) => ("returns".to_owned(), format!("output {output}")),
                None => ("returns".to_owned(), "status: the point failed unless it is 0".to_owned()),
            });
        }
        rows
    }

    fn origin(&self, argument: &Argument) -> String {
        let name = &argument.name;
        let shape = self.shape_text(argument);
        let order = if argument.is_transposed(self.language) { ", by columns" } else { "" };
        let start = |zeroed: bool| if zeroed { ", zero before the call" } else { "" };
        match &argument.role {
            Role::In => format!("input {name}{shape}{order}"),
            Role::Spoiled => format!("input {name}{shape}{order}, may be overwritten"),
            Role::InOut(output) => format!("input {name}{shape}{order}, then output {output}"),
            Role::Out { output, zeroed } => format!("output {output}{shape}{order}{}", start(*zeroed)),
            Role::Work { zeroed } => format!("memory {name}{shape}{}", start(*zeroed)),
            Role::Status { zeroed } => format!("status: the point failed unless it is 0{}", start(*zeroed)),
            Role::Length(variable) => match &self.variables[*variable].origin {
                Origin::Length { argument, axis } => {
                    let array = &self.arguments[*argument];
                    let which = if array.dims.len() > 1 {
                        format!("dimension {} of", axis + 1)
                    } else {
                        "length of".to_owned()
                    };
                    format!("{which} {}", array.name)
                }
                _ => String::new(),
            },
            Role::Fixed(Fixed::Integer(expression)) => self.text(expression),
            Role::Fixed(Fixed::Real(number)) => format!("{number:?}"),
            Role::Fixed(Fixed::Text(text)) => format!("'{}'", String::from_utf8_lossy(text).trim_end_matches('\0')),
            Role::Fixed(Fixed::Null) => "null".to_owned(),
        }
    }
}
